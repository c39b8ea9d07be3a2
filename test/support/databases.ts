import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Libsql from 'libsql';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { MFA_ENTITIES } from '../../libs/mfa/src/persistence/entities/index.js';
import { MFA_MIGRATIONS } from '../../libs/mfa/src/persistence/migrations/index.js';

export type DatabaseKind = 'sqlite' | 'postgres' | 'mariadb';

/** The databases that this machine offers; the global setup looked them up. */
export const testDatabases = (process.env.MFA_TEST_DATABASES ?? 'sqlite').split(',') as DatabaseKind[];

/** The servers among them: databases on which transactions and statements really overlap. */
export const testServers = testDatabases.filter((kind) => kind !== 'sqlite');

export interface TestDatabase {
  kind: DatabaseKind;
  /** Without entities and migrations. */
  options: DataSourceOptions;
  /** As a `DATABASE_URL`: `postgres:`, `mysql:` or `sqlite:<absolute path>`. */
  url: string;
  /** Removes the database and ends whatever still uses it. */
  drop(): Promise<void>;
}

const SERVERS = {
  postgres: { type: 'postgres', host: '127.0.0.1', port: 5432, username: 'postgres' },
  mariadb: { type: 'mariadb', host: '127.0.0.1', port: 3306, username: 'root' },
} as const;

/** Enough connections that parallel statements of a test overlap. */
const poolSize = 20;

/** A new, empty database of its own. */
export async function createDatabase(kind: DatabaseKind): Promise<TestDatabase> {
  return kind === 'sqlite' ? createSqliteFile() : createOnServer(kind);
}

/** The DataSource with the MFA tables, made by the migrations. Close it before `drop()`. */
export async function openMfaDataSource(
  database: TestDatabase,
  extra: Partial<DataSourceOptions> = {},
): Promise<DataSource> {
  const options = { ...database.options, entities: MFA_ENTITIES, migrations: MFA_MIGRATIONS, ...extra };
  const dataSource = await new DataSource(options as DataSourceOptions).initialize();
  await dataSource.runMigrations();
  return dataSource;
}

async function createSqliteFile(): Promise<TestDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'nestjs-mfa-'));
  const file = join(directory, 'test.sqlite');
  return {
    kind: 'sqlite',
    options: { type: 'better-sqlite3', driver: Libsql, database: file, enableWAL: true },
    url: `sqlite:${file}`,
    drop: () => rm(directory, { recursive: true, force: true }),
  };
}

async function createOnServer(kind: 'postgres' | 'mariadb'): Promise<TestDatabase> {
  const server = SERVERS[kind];
  const database = `mfa_test_${process.pid}_${randomBytes(6).toString('hex')}`;
  await administer(kind, `CREATE DATABASE ${database}`);
  return {
    kind,
    options: { ...server, database, poolSize },
    url: `${kind === 'postgres' ? 'postgres' : 'mysql'}://${server.username}@${server.host}:${server.port}/${database}`,
    drop: async () => {
      if (kind === 'mariadb') await killMariadbSessions(database);
      await administer(kind, `DROP DATABASE IF EXISTS ${database}${kind === 'postgres' ? ' WITH (FORCE)' : ''}`);
    },
  };
}

async function administer<T>(kind: 'postgres' | 'mariadb', statement: string): Promise<T> {
  const server = SERVERS[kind];
  const dataSource = new DataSource({ ...server, database: kind === 'postgres' ? 'postgres' : undefined, poolSize: 1 });
  await dataSource.initialize();
  try {
    return await dataSource.query(statement);
  } finally {
    await dataSource.destroy();
  }
}

/** MariaDB's DROP DATABASE would wait for the locks of a transaction that a failed test left open. */
async function killMariadbSessions(database: string): Promise<void> {
  const sessions = await administer<{ id: number }[]>(
    'mariadb',
    `SELECT id FROM information_schema.processlist WHERE db = '${database}'`,
  );
  for (const { id } of sessions) await administer('mariadb', `KILL ${id}`).catch(() => undefined);
}
