import { type BeforeApplicationShutdown, Module, type OnApplicationShutdown } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { MfaEvents } from './mfa-events.js';

/**
 * Writes the last events when the application closes: before the HTTP server stops, and again after it has served its last
 * request, while the DataSource is still open.
 *
 * It is a module of its own because it is not global. Nest 11 and 12 shut down every global module last, and the one of
 * TypeORM, which destroys the DataSource, is global. `MfaModule` is global too, so the order of these two depends on the
 * imports of the application. Nest 10 may destroy the DataSource first. There, only the first of the two is certain.
 */
// S121
@Module({})
export class MfaShutdownModule implements BeforeApplicationShutdown, OnApplicationShutdown {
  constructor(private readonly modules: ModuleRef) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.flush();
  }

  private async flush(): Promise<void> {
    await this.modules.get(MfaEvents, { strict: false }).flush();
  }
}
