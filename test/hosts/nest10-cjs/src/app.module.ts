import { randomBytes } from 'node:crypto';
import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaModule } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { AcmeMfaHost, AuthModule } from './acme';

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'better-sqlite3',
      // eslint-disable-next-line @typescript-eslint/no-require-imports
      driver: require('libsql'),
      database: ':memory:',
      autoLoadEntities: true,
      migrations: [...MFA_MIGRATIONS],
      migrationsRun: true,
    }),
    ScheduleModule.forRoot(),
    AuthModule,
    MfaModule.forRoot({
      issuer: 'Acme',
      keys: [{ id: '2026-11', secret: randomBytes(32).toString('base64') }],
      imports: [AuthModule],
      host: AcmeMfaHost,
    }),
  ],
})
export class AppModule {}
