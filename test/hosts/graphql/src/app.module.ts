import { createRequire } from 'node:module';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaModule } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { AcmeMfaHost } from './acme-mfa-host.js';
import { AuthModule } from './auth.module.js';
import { AuthResolver } from './auth.resolver.js';
import { DevicesResolver } from './devices.resolver.js';
import { FactorsResolver } from './factors.resolver.js';
import { LoginEnrollmentResolver } from './login-enrollment.resolver.js';
import { Json, PasskeysResolver } from './passkeys.resolver.js';

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
    // #region mfa
    GraphQLModule.forRoot<ApolloDriverConfig>({ driver: ApolloDriver, autoSchemaFile: true }),
    AuthModule,
    MfaModule.forRoot({
      issuer: 'Acme',
      keys: [{ id: '2026-11', secret: process.env.MFA_KEY! }],
      imports: [AuthModule],
      host: AcmeMfaHost,
      http: false, // no REST routes
      trustedDevices: {}, // optional
      passkeys: { rpId: 'localhost', origins: ['http://localhost:3000'] }, // optional
    }),
    // #endregion
  ],
  providers: [AuthResolver, FactorsResolver, LoginEnrollmentResolver, DevicesResolver, Json, PasskeysResolver],
})
export class AppModule {}
