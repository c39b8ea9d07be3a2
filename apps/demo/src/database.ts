import { createRequire } from 'node:module';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import type { TypeOrmModuleOptions } from '@nestjs/typeorm';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { CreateDemoTables1764000000000 } from './migrations/1764000000000-create-demo-tables.js';
import { AddUserRole1796000000000 } from './migrations/1796000000000-add-user-role.js';
import type { DemoConfig } from './config.js';

const require = createRequire(import.meta.url);

/** The demo's schema comes from migrations alone, run at start: the library's first, then its own. */
const SCHEMA = {
  autoLoadEntities: true,
  synchronize: false,
  migrationsRun: true,
  migrations: [...MFA_MIGRATIONS, CreateDemoTables1764000000000, AddUserRole1796000000000],
} satisfies Partial<TypeOrmModuleOptions>;

/** Where the data is, without the password, to be said at start. */
export function describeDatabase({ databaseUrl, dataDir }: Pick<DemoConfig, 'databaseUrl' | 'dataDir'>): string {
  if (databaseUrl === undefined) return sqliteFile(dataDir);
  const { protocol, host, pathname } = new URL(databaseUrl);
  return `${protocol}//${host}${pathname}`;
}

export async function databaseOptions({ databaseUrl, dataDir }: DemoConfig): Promise<TypeOrmModuleOptions> {
  if (databaseUrl === undefined) return sqliteOptions(dataDir);
  const type = databaseUrl.startsWith('postgres') ? 'postgres' : await mysqlFlavour(databaseUrl);
  // TypeORM lets the URL's scheme win over `type`, so both must say the same.
  const url = databaseUrl.replace(/^[a-z]+:/i, `${type}:`);
  const retry = { retryAttempts: 3, retryDelay: 1_000 };
  return type === 'postgres'
    ? { ...SCHEMA, ...retry, type, url }
    : { ...SCHEMA, ...retry, type, url, charset: 'utf8mb4' };
}

function sqliteOptions(dataDir: string): TypeOrmModuleOptions {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  setOldFileAside(sqliteFile(dataDir));
  return {
    ...SCHEMA,
    type: 'better-sqlite3',
    // `libsql` is a drop-in for better-sqlite3 whose binaries come in its packages.
    driver: require('libsql'),
    database: sqliteFile(dataDir),
    enableWAL: true,
    retryAttempts: 0,
  };
}

/** A file of a pre-release has tables that cannot be migrated: the demo starts with a new one, and keeps the old one. */
function setOldFileAside(file: string): void {
  if (!existsSync(file) || hasCurrentTables(file)) return;
  const aside = `${file}.${Date.now()}.old`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  new Logger('Demo').warn(`The database of an older version was moved to ${aside}; this one starts empty`);
}

/** Whether the migrations of the library that made the tables are those of this version. */
function hasCurrentTables(file: string): boolean {
  const Database = require('libsql') as new (path: string) => {
    prepare(statement: string): { all(): { name: string }[] };
    close(): void;
  };
  const database = new Database(file);
  try {
    const made = database.prepare(`SELECT name FROM migrations WHERE name LIKE 'CreateMfaTables%'`).all();
    return made.every(({ name }) => MFA_MIGRATIONS.some((Migration) => new Migration().name === name));
  } catch {
    return true; // not a file of the demo, or a new one: TypeORM finds out
  } finally {
    database.close();
  }
}

function sqliteFile(dataDir: string): string {
  return join(dataDir, 'demo.sqlite');
}

/** TypeORM tells MariaDB and MySQL apart by `type` only; whichever scheme was written, the server knows. */
async function mysqlFlavour(url: string): Promise<'mysql' | 'mariadb'> {
  const { createConnection } = await import('mysql2/promise');
  const connection = await createConnection(url.replace(/^mariadb:/i, 'mysql:'));
  try {
    const [rows] = await connection.query('SELECT VERSION() AS version');
    const [row] = rows as { version: string }[];
    return /mariadb/i.test(row?.version ?? '') ? 'mariadb' : 'mysql';
  } finally {
    await connection.end();
  }
}
