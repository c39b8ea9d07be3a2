import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaModule } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { AcmeMfaHost } from './acme-mfa-host.js';
import { AuthModule } from './auth.module.js';
import { JwtAuthGuard } from './jwt-auth.guard.js';
import { Public } from './public.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'better-sqlite3',
      driver: createRequire(import.meta.url)('libsql'),
      database: ':memory:',
      autoLoadEntities: true,
      migrations: [...MFA_MIGRATIONS],
      migrationsRun: true,
    }),
    AuthModule,
    MfaModule.forRoot({
      issuer: 'Acme',
      keys: [{ id: '2026-11', secret: randomBytes(32).toString('base64') }],
      imports: [AuthModule],
      host: AcmeMfaHost,
      http: { publicDecorators: [Public()] },
    }),
  ],
  providers: [{ provide: APP_GUARD, useClass: JwtAuthGuard }],
})
export class AppModule {}
