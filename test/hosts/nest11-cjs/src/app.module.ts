import { randomBytes } from 'node:crypto';
import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaModule } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { AcmeMfaHost, AuthModule } from './acme';
import { CreateHotpTokens1796000000000, HotpFactor, HotpModule } from './hotp';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'better-sqlite3',
      // eslint-disable-next-line @typescript-eslint/no-require-imports
      driver: require('libsql'),
      database: ':memory:',
      autoLoadEntities: true,
      migrations: [...MFA_MIGRATIONS, CreateHotpTokens1796000000000],
      migrationsRun: true,
    }),
    ScheduleModule.forRoot(),
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
