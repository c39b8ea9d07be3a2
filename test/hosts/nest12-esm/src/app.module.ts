import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaModule } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { AcmeMfaHost, AuthModule } from './acme.js';
import { CreateHotpTokens1796000000000, HotpFactor, HotpModule } from './hotp.js';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'better-sqlite3',
      driver: createRequire(import.meta.url)('libsql'),
      database: ':memory:',
      autoLoadEntities: true,
      migrations: [...MFA_MIGRATIONS, CreateHotpTokens1796000000000],
      migrationsRun: true,
    }),
    AuthModule,
    // #region mfa
    MfaModule.forRoot({
      issuer: 'Acme',
      keys: [{ id: '2026-11', secret: randomBytes(32).toString('base64') }],
      imports: [AuthModule, HotpModule],
      host: AcmeMfaHost,
      factors: [HotpFactor],
      passkeys: { rpId: 'localhost', origins: ['http://localhost:3000'] },
    }),
    // #endregion
  ],
})
export class AppModule {}
