import { Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaModule } from 'nestjs-mfa';
import { AccountsModule } from './accounts/accounts.module.js';
import { AdminModule } from './admin/admin.module.js';
import { UserSession } from './accounts/user-session.entity.js';
import type { DemoConfig } from './config.js';
import { databaseOptions } from './database.js';
import { DemoMfaHost } from './mfa-host.js';
import { passkeysOf } from './origin.js';
import { PageModule } from './page/page.module.js';
import { VaultModule } from './vault/vault.module.js';

@Module({})
export class AppModule {
  static register(config: DemoConfig): DynamicModule {
    return {
      module: AppModule,
      imports: [
        TypeOrmModule.forRootAsync({ useFactory: () => databaseOptions(config) }),
        MfaModule.forRootAsync({
          imports: [AccountsModule],
          useFactory: () => ({
            issuer: config.issuer,
            keys: config.keys,
            passkeys: passkeysOf(config),
            // The demo usually runs over http. The library refuses `secure: false` in production.
            trustedDevices: config.secureDevices ? {} : { cookie: { secure: false } },
            audit: { retentionDays: 90 },
            cleanup: { tables: [{ entity: UserSession, expiresAt: 'expiresAtMs' }] },
          }),
          host: DemoMfaHost,
        }),
        AccountsModule,
        VaultModule,
        AdminModule,
        PageModule,
      ],
    };
  }
}
