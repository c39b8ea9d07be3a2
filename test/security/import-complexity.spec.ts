import { expect, it } from 'vitest';
import type { MfaImportSource, SourceRow } from '../../libs/mfa/src/import/import-source.js';
import type { ImportTools } from '../../libs/mfa/src/import/import-tools.js';
import { runImport } from '../../libs/mfa/src/import/import-run.js';
import { readPlan } from '../../libs/mfa/src/import/read-plan.js';

const mapping = readPlan({
  from: { table: 'people', columns: { userId: 'id', secret: 'secret' }, everySecretIsConfirmed: true },
  backupCodes: { table: 'codes', columns: { userId: 'id', hash: 'hash', usedAt: 'used' } },
  usage: { table: 'accepted', columns: { userId: 'id', window: 'window' } },
});
const USER: SourceRow = { userId: 'ada', secret: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP' };
const SALT = 'c2FsdHNhbHRzYWx0c2FsdA';
const hashOf = (index: number) => Buffer.from(`hash ${index}`.padEnd(32, '.')).toString('base64').replace('=', '');

const KINDS = {
  'accepted codes': (rows: number) => ({
    accepted: Array.from({ length: rows }, (_, index) => ({ userId: 'ada', window: 50_000_000 + index })),
  }),
  'used backup codes': (rows: number) => ({
    codes: Array.from({ length: rows }, (_, index) => ({ userId: 'ada', hash: `old-${index}`, usedAt: true })),
  }),
  'backup codes, half of them used,': (rows: number) => ({
    codes: Array.from({ length: rows }, (_, index) => {
      const hash = `$argon2id$v=19$m=64,t=1,p=1$${SALT}$${hashOf(index)}`;
      return { userId: 'ada', hash, usedAt: index % 2 === 0 };
    }),
  }),
};

/** Milliseconds of a dry run of one user whose rows these are. */
async function timeOf(tables: Partial<Record<string, SourceRow[]>>): Promise<number> {
  const rowsOf = (table: string) => (table === 'people' ? [USER] : (tables[table] ?? []));
  const source = {
    check: () => Promise.resolve(),
    requireOneRowEach: () => Promise.resolve(),
    count: ({ table }) => Promise.resolve({ rows: rowsOf(table).length, withoutUser: 0 }),
    page: (_, after) => Promise.resolve(after === null ? [USER] : []),
    rowsOf: ({ table }) => Promise.resolve(rowsOf(table)),
  } satisfies MfaImportSource;
  const tools = {
    clock: { nowMs: () => Date.now() },
    accounts: { load: () => Promise.resolve(null) },
  } as unknown as ImportTools;
  const started = performance.now();
  const report = await runImport({ mapping, source, tools, apply: false });
  expect(report).toMatchObject({ failure: null, users: { imported: 1 } });
  return performance.now() - started;
}

it.each(Object.entries(KINDS))(
  'S62 a user with 200,000 %s does not make the import quadratic, which would leave no turn to Ctrl-C',
  async (_, make) => {
    await timeOf(make(1_000));
    const few = await timeOf(make(50_000));
    const many = await timeOf(make(200_000));
    expect(many / Math.max(few, 5)).toBeLessThan(10);
  },
);
