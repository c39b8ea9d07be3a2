import { describe } from 'vitest';
import { testDatabases } from './databases.js';

/** A suite for each database server; one that is missing on this machine is listed as skipped. */
export function describeServers(name: string, suite: (kind: 'postgres' | 'mariadb') => void): void {
  for (const kind of ['postgres', 'mariadb'] as const) {
    describe.skipIf(!testDatabases.includes(kind))(`${name} ${kind}`, () => suite(kind));
  }
}
