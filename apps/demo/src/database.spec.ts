import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { databaseOptions } from './database.js';
import { loadConfig } from './config.js';

describe("the demo's SQLite file", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'demo-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  function makeFile(migration: string): void {
    const database = new Database(join(folder, 'demo.sqlite'));
    database.exec('CREATE TABLE migrations (id integer, timestamp bigint, name varchar)');
    database.prepare('INSERT INTO migrations VALUES (1, 1, ?)').run(migration);
    database.close();
  }

  const openAgain = () => databaseOptions(loadConfig({ DATA_DIR: folder }));

  it('is moved aside when a pre-release of the library made its tables', async () => {
    makeFile('CreateMfaTables1795362600000');
    await openAgain();
    expect((await readdir(folder)).filter((name) => name !== 'keys')).toEqual([
      expect.stringMatching(/^demo\.sqlite\.\d+\.old$/),
    ]);
  });

  it('keeps its accounts and sessions when roles are added, and makes every user a member', async () => {
    const options = (await openAgain()) as DataSourceOptions;
    const migrations = options.migrations as (new () => { name: string })[];
    const before = migrations.filter((each) => new each().name !== 'AddUserRole1796000000000');
    const old = await new DataSource({ ...options, migrations: before, migrationsRun: true }).initialize();
    await old.query(`INSERT INTO users VALUES ('u1', 'ada@example.com', 'hash', 1)`);
    await old.query(`INSERT INTO user_sessions VALUES ('t1', 'u1', 'pwd', 1, NULL, 1)`);
    await old.destroy();
    const now = await new DataSource(options).initialize();
    expect(await now.query('SELECT email, role FROM users')).toEqual([{ email: 'ada@example.com', role: 'member' }]);
    expect(await now.query('SELECT user_id FROM user_sessions')).toEqual([{ user_id: 'u1' }]);
    await now.destroy();
  });

  it('stays where it is when this version made its tables', async () => {
    makeFile(new MFA_MIGRATIONS[0]!().name);
    await openAgain();
    expect((await readdir(folder)).filter((name) => name !== 'keys')).toEqual(['demo.sqlite']);
  });
});
