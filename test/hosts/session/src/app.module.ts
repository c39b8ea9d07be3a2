import { createRequire } from 'node:module';
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaModule } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { AcmeMfaHost } from './acme-mfa-host.js';
import { AuthModule } from './auth.module.js';

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
    // #region mfa
    MfaModule.forRoot({
      issuer: 'Acme',
      keys: [{ id: '2026-11', secret: process.env.MFA_KEY! }],
      imports: [AuthModule],
      host: AcmeMfaHost,
      trustedDevices: {}, // optional
    }),
    // #endregion
  ],
})
export class AppModule {}
