import { readFileSync } from 'node:fs';
import { DataSource } from 'typeorm';
import type { MfaImportPlan } from 'nestjs-mfa/import';
import type { TestDatabase } from '../support/databases.js';

/** What `make.py` wrote: see `test/fixtures/python-service`. */
export interface PythonService {
  secretKey: string;
  fernetKey: string;
  nowSeconds: number;
  users: {
    id: string;
    enabled: boolean;
    secret: string;
    token: string;
    backupCodes: { code: string; hash: string; usedAt: string | null }[];
    /** Codes by the step, counted from now. */
    totp: Record<string, string>;
  }[];
  usage: { userId: string; code: string; window: number }[];
}

export const service = JSON.parse(
  readFileSync(new URL('../fixtures/python-service/service.json', import.meta.url), 'utf8'),
) as PythonService;

export const pythonUser = (id: string) => service.users.find((user) => user.id === id)!;

export type Value = string | number | boolean | Buffer | null;

/** Runs a statement whose `?` stand for values, whatever the database calls its placeholders. */
export async function execute(dataSource: DataSource, text: string, values: Value[] = []): Promise<void> {
  const { type } = dataSource.options;
  let position = 0;
  const spelled = type === 'postgres' ? text.replace(/\?/g, () => `$${(position += 1)}`) : text;
  const bound =
    type === 'better-sqlite3' ? values.map((each) => (typeof each === 'boolean' ? Number(each) : each)) : values;
  await dataSource.query(spelled, bound);
}

/** Works on the database as its former application did: by a connection of its own, whose statements nobody logs. */
export async function formerly(database: TestDatabase, work: (dataSource: DataSource) => Promise<void>): Promise<void> {
  const dataSource = await new DataSource(database.options).initialize();
  try {
    await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

/** A table made by hand, with its rows. Column names are escaped: `window` is a word of the language. */
export async function createTable(
  dataSource: DataSource,
  name: string,
  columns: Record<string, string>,
  rows: Value[][] = [],
): Promise<void> {
  const escape = (column: string) => dataSource.driver.escape(column);
  const definitions = Object.entries(columns).map(([column, type]) => `${escape(column)} ${type}`);
  await execute(dataSource, `CREATE TABLE ${escape(name)} (${definitions.join(', ')})`);
  const placeholders = Object.keys(columns).map(() => '?');
  for (const row of rows) {
    await execute(dataSource, `INSERT INTO ${escape(name)} VALUES (${placeholders.join(', ')})`, row);
  }
}

/** The tables of the Python service, with the rows of the fixture, as of now. */
export async function createPythonTables(dataSource: DataSource, nowMs = service.nowSeconds * 1000): Promise<void> {
  const text = { id: 'INTEGER PRIMARY KEY', user_id: 'VARCHAR(36) NOT NULL' };
  await createTable(
    dataSource,
    'users',
    { id: 'VARCHAR(36) PRIMARY KEY', email: 'VARCHAR(100)', totp_secret_encrypted: 'TEXT', mfa_enabled: 'BOOLEAN' },
    service.users.map(({ id, token, enabled }) => [id, `${id}@example.test`, token, enabled]),
  );
  const laterSteps = Math.floor(nowMs / 30_000) - service.nowSeconds / 30;
  const codes = service.users.flatMap(({ id, backupCodes }) => backupCodes.map((each) => ({ id, ...each })));
  await createTable(
    dataSource,
    'mfa_backup_codes',
    { ...text, code_hash: 'VARCHAR(255)', used_at: 'TIMESTAMP NULL' },
    codes.map(({ id, hash, usedAt }, index) => [index + 1, id, hash, usedAt]),
  );

  await createTable(
    dataSource,
    'totp_usage',
    { ...text, code: 'VARCHAR(6)', window: 'BIGINT' },
    service.usage.map(({ userId, code, window }, index) => [index + 1, userId, code, window + laterSteps]),
  );
}

/** How the Python service kept its factors. */
export const PYTHON_PLAN: MfaImportPlan = {
  from: {
    table: 'users',
    columns: { userId: 'id', secret: 'totp_secret_encrypted', enabled: 'mfa_enabled' },
  },
  secret: { decrypt: { fernet: { keys: [{ secretKey: service.secretKey }] } } },
  backupCodes: { table: 'mfa_backup_codes', columns: { userId: 'user_id', hash: 'code_hash', usedAt: 'used_at' } },
  usage: { table: 'totp_usage', columns: { userId: 'user_id', window: 'window' } },
};
