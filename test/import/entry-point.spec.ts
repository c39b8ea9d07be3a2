import { randomBytes } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { MfaException } from 'nestjs-mfa';
import { importMfaUsers, listMfaChangesSinceImport, type MfaImportPlan } from 'nestjs-mfa/import';
import { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Client } from '../support/client.js';
import { createDatabase, testDatabases, type TestDatabase } from '../support/databases.js';
import { dumpTables, startHostApp, TEST_KEY, type HostApp } from '../support/host-app.js';
import { codeAt, SECRET } from './people.js';
import { createTable, formerly } from './source-tables.js';

const plan: MfaImportPlan = {
  from: { table: 'people', columns: { userId: 'id', secret: 'secret', enabled: 'enabled' } },
};
const keys = [TEST_KEY];

describe.each(testDatabases)('nestjs-mfa/import on %s', (kind) => {
  let host: HostApp;
  let old: TestDatabase;
  let databases: { dataSource: DataSource; source: DataSource };

  beforeAll(async () => {
    host = await startHostApp({ database: kind });
    old = await createDatabase(kind);
    await formerly(old, (source) =>
      createTable(source, 'people', { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' }, [
        ['ada', SECRET, true],
        ['bob', SECRET, false],
      ]),
    );
    databases = { dataSource: host.dataSource, source: new DataSource(old.options) };
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(async () => {
    await host.close();
    await old.drop();
  });

  it('writes nothing without `apply`, and warns when no row proves the key', async () => {
    const warn = vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const report = await importMfaUsers({ plan, keys, ...databases });
    expect(report).toMatchObject({ applied: false, ok: true, users: { read: 2, imported: 1 } });
    for (const rows of Object.values(await dumpTables(host))) expect(rows).toEqual([]);
    expect(warn.mock.calls).toContainEqual([expect.stringMatching(/^No row is sealed under the key/)]);
  });

  it('imports from a DataSource that is not initialized, and leaves it and its own as they were', async () => {
    vi.spyOn(Logger.prototype, 'warn').mockReturnValue();
    const pages: [number, number][] = [];
    const onProgress = (done: number, total: number) => pages.push([done, total]);
    const report = await importMfaUsers({ plan, keys, ...databases, apply: true, onProgress });
    expect(report).toMatchObject({ applied: true, ok: true, users: { imported: 1, skipped: { 'not-enabled': 1 } } });
    expect(pages).toEqual([[2, 2]]);
    expect([databases.dataSource.isInitialized, databases.source.isInitialized]).toEqual([true, false]);
    const ada = new Client(host, 'ada');
    await ada.verify(await ada.login(), codeAt(host.clock.nowMs())).expect(200);
  });

  it('S62 throws MFA_MISCONFIGURED when the secret of the key did not seal the existing rows', async () => {
    const wrong = [{ ...TEST_KEY, secret: randomBytes(32) }];
    await expect(importMfaUsers({ plan, keys: wrong, ...databases, apply: true })).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringContaining('is not the one that sealed'),
    });
  });

  it('throws MFA_MISCONFIGURED for an `apply` that is not a boolean', async () => {
    for (const apply of ['false', 'yes', 1, 0] as unknown as boolean[]) {
      await expect(importMfaUsers({ plan, keys, ...databases, apply })).rejects.toMatchObject({
        code: 'MFA_MISCONFIGURED',
        message: 'importMfaUsers: `apply` must be true or false',
      });
    }
  });

  it('throws an MfaException for a plan that is not usable', async () => {
    const from = { ...plan.from, table: 'nowhere' };
    const failed = importMfaUsers({ plan: { from }, keys, ...databases }).catch((error: unknown) => error);
    expect(await failed).toBeInstanceOf(MfaException);
    expect(await failed).toMatchObject({ code: 'MFA_MISCONFIGURED', message: expect.stringContaining('"nowhere"') });
  });

  it('S38 lists what changed since the import', async () => {
    expect(await listMfaChangesSinceImport({ plan, ...databases })).toEqual({ backupCodes: [], users: [] });
    host.clock.advance(30);
    const ada = new Client(host, 'ada');
    await ada.verify(await ada.login(), codeAt(host.clock.nowMs())).expect(200);
    host.clock.advance(30);
    await ada.post('/mfa/disable', { code: codeAt(host.clock.nowMs()) }).expect(200);
    expect(await listMfaChangesSinceImport({ plan, ...databases })).toEqual({
      backupCodes: [],
      users: [{ userId: 'ada', reason: 'disabled' }],
    });
  });

  it('returns `null` for a comparison, and an interrupted report for an import, that its signal stopped', async () => {
    const signal = AbortSignal.abort();
    expect(await listMfaChangesSinceImport({ plan, ...databases, signal })).toBeNull();
    const report = await importMfaUsers({ plan, keys, ...databases, apply: true, signal });
    expect(report).toMatchObject({ interrupted: true, users: { read: 0 } });
  });
});
