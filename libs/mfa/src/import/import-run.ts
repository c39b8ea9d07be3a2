import { setImmediate } from 'node:timers/promises';
import { isMfaError } from '../domain/mfa-error.js';
import type { MfaImportSource, SourceKey, SourceRow, SourceTable } from './import-source.js';
import { isWeakSecret } from '../domain/totp/totp.js';
import { AccountImport } from './account-import.js';
import { ImportTally, type MfaImportReport, type UserOutcome } from './import-report.js';
import type { ImportTools } from './import-tools.js';
import type { ImportMapping } from './read-plan.js';
import { type ReadUser, readUser, type SourceUser, type UserToImport } from './read-user.js';

/** Users that are read together. */
const PAGE = 200;

/** Users that are written at once: waiting for commits is most of the work. */
const AT_ONCE = 4;

export interface ImportRun {
  mapping: ImportMapping;
  source: MfaImportSource;
  tools: ImportTools;
  /** `false` = a dry run, which writes nothing. */
  apply: boolean;
  /** Is called after each page. */
  onProgress?: (done: number, total: number) => void;
  /** Is called often and awaited. `soFar` returns the report of the users so far. */
  onReport?: (soFar: () => MfaImportReport) => Promise<void>;
  /** Stops the import after the users that are being written. */
  signal?: AbortSignal;
}

/**
 * Imports every user of the source, or reports what an import would do. It can be stopped at any time and run again. A
 * database error ends the import, and the report carries it as `failure`.
 * @throws MfaError `MFA_MISCONFIGURED` when a table does not match the plan; nothing was written then
 */
export async function runImport(run: ImportRun): Promise<MfaImportReport> {
  const { mapping, source, apply } = run;
  const tables = [mapping.from, mapping.backupCodes?.table, mapping.usage?.table].filter((each) => each !== undefined);
  for (const table of tables) await source.check(table);
  await source.requireOneRowEach(mapping.from);
  const { rows, withoutUser } = await source.count(mapping.from);
  const codeRows = mapping.backupCodes ? (await source.count(mapping.backupCodes.table)).rows : 0;
  const usageRows = mapping.usage ? (await source.count(mapping.usage.table)).rows : 0;

  const tally = new ImportTally(apply);
  for (let row = 0; row < withoutUser; row += 1) tally.add(outcome({ skipped: 'user-id-unusable', userId: null }));
  const read: RowsRead = { users: 0, codes: 0, usage: 0 };
  try {
    if (await importPages(run, tally, read, rows - withoutUser)) {
      tally.addStrayCodes(codeRows - read.codes);
      tally.addStrayUsage(usageRows - read.usage);
    } else tally.interrupt();
  } catch (error) {
    // After the first user something may be written. The report lists it.
    if (read.users === 0 && isMfaError(error) && error.code === 'MFA_MISCONFIGURED') throw error;
    tally.fail(error);
  }
  return tally.finish();
}

/** What has been read: the users, and the rows that belong to them. */
interface RowsRead {
  users: number;
  codes: number;
  usage: number;
}

/** `false`: it was interrupted. */
async function importPages(run: ImportRun, tally: ImportTally, read: RowsRead, total: number): Promise<boolean> {
  let done = 0;
  const keepReport = () => run.onReport?.(() => tally.soFar());
  await keepReport();
  for await (const users of pages(run)) {
    read.users += users.length;
    for (let start = 0; start < users.length; start += AT_ONCE) {
      if (run.signal?.aborted) return false;
      const some = users.slice(start, start + AT_ONCE);
      const ended = await Promise.allSettled(some.map((user) => importUser(user, run)));
      for (const each of ended) {
        // Counted before the error of another user ends the run.
        if (each.status === 'fulfilled') tally.add(each.value);
      }
      const failed = ended.find((each) => each.status === 'rejected');
      if (failed) throw failed.reason;
      await keepReport();
      // SQLite works synchronously: without a turn of the event loop Ctrl-C would have no effect.
      await setImmediate();
    }
    read.codes += users.reduce((sum, user) => sum + user.codes.length, 0);
    read.usage += users.reduce((sum, user) => sum + user.usage.length, 0);
    done += users.length;
    run.onProgress?.(done, Math.max(done, total));
  }
  return true;
}

/** The users of the source, some at a time, with their rows of the other tables. */
export async function* pages({ source, mapping }: Pick<ImportRun, 'source' | 'mapping'>): AsyncGenerator<SourceUser[]> {
  const { from, backupCodes, usage } = mapping;
  for (let after: SourceKey | null = null; ;) {
    const rows: SourceRow[] = await source.page(from, after, PAGE);
    if (rows.length === 0) return;
    const keys = rows.map(({ userId }) => userId as SourceKey);
    const codes = await rowsByUser(source, backupCodes?.table, keys);
    const used = await rowsByUser(source, usage?.table, keys);
    yield rows.map((row) => {
      const key = String(row.userId);
      return { row, codes: codes.get(key) ?? [], usage: used.get(key) ?? [] };
    });
    after = keys.at(-1)!;
  }
}

async function rowsByUser(
  source: MfaImportSource,
  table: SourceTable | undefined,
  keys: readonly SourceKey[],
): Promise<Map<string, SourceRow[]>> {
  const rows = table ? await source.rowsOf(table, keys) : [];
  const byUser = new Map<string, SourceRow[]>();
  for (const row of rows) {
    const key = String(row.userId);
    const known = byUser.get(key);
    if (known) known.push(row);
    else byUser.set(key, [row]);
  }
  return byUser;
}

async function importUser(source: SourceUser, { mapping, tools, apply }: ImportRun): Promise<UserOutcome> {
  const read = await readUser(source, mapping, tools.clock.nowMs());
  if (!('user' in read)) return outcome(read, source);
  const accounts = new AccountImport(tools, { ...mapping.totp, name: mapping.name });
  try {
    const skipped = apply ? await accounts.run(read.user) : await accounts.standing(read.user);
    return outcome({ skipped, user: read.user }, source);
  } catch (error) {
    if (!isMfaError(error) || error.code !== 'MFA_BUSY') throw error;
    return outcome({ skipped: 'changed-meanwhile', userId: read.user.userId }, source);
  }
}

type Result = Exclude<ReadUser, { user: UserToImport }> | { skipped: UserOutcome['skipped']; user: UserToImport };

function outcome(result: Result, source: SourceUser = { row: {}, codes: [], usage: [] }): UserOutcome {
  const user = 'user' in result ? result.user : null;
  const { skipped } = result;
  const read = { codes: { read: source.codes.length }, usage: { read: source.usage.length } };
  const imported = user !== null && skipped === null;
  return {
    userId: user?.userId ?? ('userId' in result ? result.userId : null) ?? spelled(source.row.userId),
    skipped,
    weak: imported && isWeakSecret(user.secret),
    codes: imported
      ? {
          ...read.codes,
          imported: user.codes.usable.length,
          used: user.codes.usedIds.length,
          skipped: user.codes.skipped,
        }
      : { ...read.codes, imported: 0, used: 0, skipped: [] },
    usage: {
      ...read.usage,
      spent: imported ? user.steps.live.length : 0,
      expired: imported ? user.steps.expired : 0,
    },
  };
}

/** An unusable user id as the source spells it, so that the operator finds the row. */
function spelled(userId: unknown): string | null {
  return typeof userId === 'string' || typeof userId === 'number' ? String(userId).slice(0, 255) : null;
}
