import type { DataSource, QueryRunner } from 'typeorm';
import { expect, it } from 'vitest';
import { MFA_ENTITIES } from 'nestjs-mfa';
import { testDatabases } from '../support/databases.js';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp } from '../support/host-app.js';

/** A schema for each tenant: whatever statement a query runner is given runs in that of the request's tenant. */
function runInSchema(dataSource: DataSource, schema: string): void {
  const create = dataSource.createQueryRunner.bind(dataSource);
  dataSource.createQueryRunner = (mode) => {
    const runner = create(mode);
    const query = runner.query.bind(runner) as (...given: unknown[]) => Promise<unknown>;
    runner.query = (async (...given: unknown[]) => {
      await query(`SET search_path = ${schema}`);
      try {
        return await query(...given);
      } finally {
        await query('RESET search_path');
      }
    }) as QueryRunner['query'];
    return runner;
  };
}

it.skipIf(!testDatabases.includes('postgres'))(
  'S43a a login requires the second step where the host replaces query runners to select the schema of a tenant',
  async () => {
    const host = await startHostApp({ database: 'postgres', options: FEW_CODES });
    try {
      const user = new Client(host, 'ada');
      await user.enroll();
      await host.dataSource.query('CREATE SCHEMA acme');
      for (const entity of MFA_ENTITIES) {
        const { tableName } = host.dataSource.getMetadata(entity);
        await host.dataSource.query(`ALTER TABLE ${tableName} SET SCHEMA acme`);
        // What new tenants are copied from.
        await host.dataSource.query(`CREATE TABLE ${tableName} (LIKE acme.${tableName} INCLUDING ALL)`);
      }
      runInSchema(host.dataSource, 'acme');

      const { body } = await user.loginAnswer();
      expect(body).toMatchObject({ mfaRequired: true });
      expect(body).not.toHaveProperty('accessToken');
    } finally {
      await host.close();
    }
  },
);
