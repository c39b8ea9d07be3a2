import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { TypeOrmAuditStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';

describe.each(testDatabases)('the rows of the audit table on %s', (kind) => {
  let database: TestDatabase;
  let source: DataSource;
  let audit: TypeOrmAuditStore;

  beforeAll(async () => {
    database = await createDatabase(kind);
    source = await openMfaDataSource(database);
    audit = new TypeOrmAuditStore(source);
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const statesOf = async (userId: string) => (await audit.list({ userId, limit: 9 })).map(({ state }) => state);

  it('S121 a purge finishes its row also where a parallel one replaced the user id first', async () => {
    const change = { pseudonym: 'purged:x', replacements: [] };
    await audit.add({ id: 'a1', userId: 'ann', state: 'started', event: '{}' });
    await audit.add({ id: 'a2', userId: 'ann', state: 'started', event: '{}' });
    await audit.pseudonymise('ann', { ...change, finishedId: 'a1' });
    await audit.pseudonymise('ann', { ...change, finishedId: 'a2' });
    expect(await statesOf('purged:x')).toEqual(['done', 'done']);
    expect(await statesOf('ann')).toEqual([]);
  });

  it('S121 the row of an event that was made finishes the one that was begun late', async () => {
    const row = { id: 'b1', userId: 'bob', event: '{}' };
    await audit.add({ ...row, state: 'started' });
    await audit.add({ ...row, state: 'done' });
    expect(await statesOf('bob')).toEqual(['done']);
    await expect(audit.add({ ...row, state: 'started' })).rejects.toThrow();
    expect(await statesOf('bob')).toEqual(['done']);
  });
});
