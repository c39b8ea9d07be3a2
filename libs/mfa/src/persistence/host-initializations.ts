import { createRequire } from 'node:module';
import type { DataSource } from 'typeorm';

interface TypeOrmModule {
  DataSource: { prototype: Pick<DataSource, 'initialize'> };
}

/**
 * Follows the `initialize()` calls of the TypeORM that a host's file imports. Such a file may connect by itself without
 * waiting, and run migrations. A connection that is closed meanwhile would make that call fail, and the process with it.
 */
export class HostInitializations {
  private readonly pending: Promise<unknown>[] = [];
  private restore: () => void = () => undefined;

  /** `file`: absolute path. Call it before the file is imported. */
  constructor(file: string) {
    const prototype = typeOrmOf(file)?.DataSource.prototype;
    if (!prototype) return;
    const original = Object.getOwnPropertyDescriptor(prototype, 'initialize')!;
    const initialize = prototype.initialize;
    const { pending } = this;
    prototype.initialize = function (this: DataSource) {
      const initialized = initialize.call(this);
      pending.push(initialized);
      // A failure is returned by `settled`. Without a handler it would end the process.
      initialized.catch(() => undefined);
      return initialized;
    };
    this.restore = () => void Object.defineProperty(prototype, 'initialize', original);
  }

  /** Waits for all calls so far. Returns the reasons of those that failed. */
  async settled(): Promise<unknown[]> {
    const results = await Promise.allSettled(this.pending.splice(0));
    return results.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  }

  /** Stops following. */
  stop(): void {
    this.restore();
  }
}

function typeOrmOf(file: string): TypeOrmModule | null {
  try {
    return createRequire(file)('typeorm') as TypeOrmModule;
  } catch {
    // The file finds TypeORM in another way, or not at all: importing it shows that.
    return null;
  }
}
