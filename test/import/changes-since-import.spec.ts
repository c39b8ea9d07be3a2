import argon2 from 'argon2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listChanges } from '../../libs/mfa/src/import/changes-since-import.js';
import { readPlan } from '../../libs/mfa/src/import/read-plan.js';
import { TypeOrmImportSource } from '../../libs/mfa/src/persistence/import-source.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { importInto, toolsOn } from './importing.js';
import { codeAt, PLAN, SECRET } from './people.js';
import { createTable, execute, formerly } from './source-tables.js';

const USERS = ['untouched', 'spent-one', 'renewed', 'disabled', 'moved', 'never'];
const CODES = ['AB12-CD34', 'EF56-GH78', 'JK23-MN45'];

describe.each(testDatabases)('going back to the old system on %s', (kind) => {
  let host: HostApp;
  const hashes = new Map<string, string[]>();
  const user = (id: string) => new Client(host, id);

  beforeAll(async () => {
    host = await startHostApp({ database: kind });
    await formerly(host.database, async (old) => {
      await createTable(old, 'people', { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' });
      await createTable(old, 'people_codes', { person: 'VARCHAR(20)', hash: 'TEXT', used: 'BOOLEAN' });
      await createTable(old, 'people_usage', { person: 'VARCHAR(20)', window: 'BIGINT' });
      for (const id of USERS) {
        if (id !== 'never') await execute(old, 'INSERT INTO people VALUES (?, ?, ?)', [id, SECRET, true]);
        const made = await Promise.all(
          CODES.map((code) => argon2.hash(code, { memoryCost: 64, timeCost: 1, parallelism: 1 })),
        );
        hashes.set(id, made);
        for (const [index, hash] of made.entries())
          await execute(old, 'INSERT INTO people_codes VALUES (?, ?, ?)', [id, hash, index === 2]);
      }
    });
    await importInto(host, PLAN);
    // Not imported: the source has this user only now, who enrolls here alone.
    await formerly(host.database, (old) =>
      execute(old, 'INSERT INTO people VALUES (?, ?, ?)', ['never', SECRET, true]),
    );
    await user('never').enroll();
  });
  afterAll(() => host.close());

  const changes = () => {
    const { accounts, backupCodes, usage } = toolsOn(host.dataSource, host.clock);
    const source = new TypeOrmImportSource(host.dataSource);
    return listChanges({ mapping: readPlan(PLAN), source, tools: { accounts, backupCodes, usage } });
  };

  it('S38 lists nothing while nothing happened, and nobody who was never imported', async () => {
    expect(await changes()).toEqual({ backupCodes: [], users: [] });
  });

  it('S38 lists the backup codes that were used or replaced here, and the authenticators that were removed', async () => {
    const now = () => codeAt(host.clock.nowMs());
    const spender = user('spent-one');
    expect((await spender.verify(await spender.login(), CODES[1])).status).toBe(200);
    const usedAt = new Date(host.clock.nowMs()).toISOString();
    await user('renewed').post('/mfa/backup-codes/regenerate', { code: now() }).expect(200);
    await user('disabled').post('/mfa/disable', { code: now() }).expect(200);
    const moved = user('moved');
    await moved.post('/mfa/disable', { code: now() }).expect(200);
    await moved.enroll();

    const listed = (await changes())!;
    const [used] = listed.backupCodes.filter(({ reason }) => reason === 'used');
    expect(used).toEqual({
      userId: 'spent-one',
      hash: hashes.get('spent-one')![1],
      reason: 'used',
      usedAt,
    });
    // The third code of each user was used in the old system already.
    const replaced = ['disabled', 'moved', 'renewed'].flatMap((userId) =>
      hashes
        .get(userId)!
        .slice(0, 2)
        .map((hash) => ({ userId, hash, reason: 'replaced', usedAt: null })),
    );
    expect(listed.backupCodes).toHaveLength(1 + replaced.length);
    expect(listed.backupCodes).toEqual(expect.arrayContaining(replaced));
    expect(listed.users).toEqual([
      { userId: 'disabled', reason: 'disabled' },
      { userId: 'moved', reason: 'replaced' },
    ]);
  });

  it('S38 lists a used code that only its row or only its usage row marks as used', async () => {
    const used = async () => (await changes())!.backupCodes.filter(({ reason }) => reason === 'used');
    const listed = await used();
    expect(listed).toHaveLength(1);
    const [row] = await host.dataSource.query('SELECT id, used_at FROM mfa_backup_code WHERE used_at IS NOT NULL');
    // As after a process that died when it had spent the code.
    await host.dataSource.query('UPDATE mfa_backup_code SET used_at = NULL');
    expect(await used()).toEqual(listed);
    await host.dataSource.query(`UPDATE mfa_backup_code SET used_at = ${row.used_at} WHERE id = '${row.id}'`);
    await host.dataSource.query(`DELETE FROM mfa_usage WHERE kind = 'backup_code'`);
    expect(await used()).toEqual(listed);
  });
});
