import { createRequire } from 'node:module';
import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaModule } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { AcmeMfaHost } from './acme-mfa-host.js';
import { ApiKeysController } from './api-keys.controller.js';
import { AuthModule } from './auth.module.js';
import { JwtAuthGuard } from './jwt-auth.guard.js';
import { OtherLoginsController } from './other-logins.controller.js';
import { passkeys } from './passkeys.option.js';
import { Public } from './public.js';
import { RefreshToken } from './refresh-token.entity.js';
import { RefreshTokens1795651200000 } from './refresh-token.migration.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'better-sqlite3',
      driver: createRequire(import.meta.url)('libsql'),
      database: ':memory:',
      autoLoadEntities: true,
      migrations: [...MFA_MIGRATIONS, RefreshTokens1795651200000],
      migrationsRun: true,
    }),
    AuthModule,
    // #region mfa
    MfaModule.forRoot({
      issuer: 'Acme',
      keys: [{ id: '2026-11', secret: process.env.MFA_KEY! }],
      imports: [AuthModule],
      host: AcmeMfaHost,
      passkeys, // optional
      trustedDevices: {}, // optional
      http: { publicDecorators: [Public()] }, // the global guard lets the second step through
      cleanup: { tables: [{ entity: RefreshToken, expiresAt: 'expiresAt' }] },
    }),
    // #endregion
  ],
  controllers: [ApiKeysController, OtherLoginsController],
  providers: [{ provide: APP_GUARD, useClass: JwtAuthGuard }],
})
export class AppModule {}
