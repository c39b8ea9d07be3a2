import { parsePhc } from '../domain/backup-codes/phc.js';
import { type HashedCode, hashGroupsOf } from '../domain/backup-codes/hash-groups.js';
import type { SourceRow } from './import-source.js';
import { isPossibleSecret } from '../domain/totp/totp.js';
import { spentUntilMs } from '../domain/totp/totp.js';
import { toUserId } from '../domain/accounts/account.js';
import type { BadReason, BenignReason, CodeReason } from './import-report.js';
import { importedCode } from './imported-code.js';
import type { ImportMapping } from './read-plan.js';
import { decodeSecret } from './secret-text.js';
import { readFlag, readTimeMs } from './source-values.js';

/** One user's rows of all mapped tables. */
export interface SourceUser {
  row: SourceRow;
  codes: readonly SourceRow[];
  usage: readonly SourceRow[];
}

/** The backup codes of one user, checked. */
export interface ReadCodes {
  /** Unused codes within the cost limit of a guess. */
  usable: HashedCode[];
  usedIds: string[];
  skipped: CodeReason[];
}

/** Time steps whose codes the other system accepted. */
export interface ReadSteps {
  /** Those whose codes could still be accepted. */
  live: { step: number; expiresAtMs: number }[];
  expired: number;
}

/** A user, checked and decrypted. */
export interface UserToImport {
  userId: string;
  secret: Buffer;
  createdAtMs: number | null;
  lastUsedAtMs: number | null;
  codes: ReadCodes;
  steps: ReadSteps;
}

export type ReadUser =
  { user: UserToImport } | { skipped: BadReason | Extract<BenignReason, 'not-enabled'>; userId: string | null };

/** The most codes of one user. One statement writes them. */
const MOST_CODES = 100;

/** The widest window that an application can be configured to accept, in steps. */
const WIDEST_WINDOW = 10;

/** Codes were accepted between 2010, when authenticator apps came up, and tomorrow; another number counts something else. */
const EARLIEST_MS = Date.UTC(2010, 0);
const DAY_MS = 24 * 60 * 60 * 1000;

/** Returns what to import of a user, or why the user is skipped. */
export async function readUser(source: SourceUser, mapping: ImportMapping, nowMs: number): Promise<ReadUser> {
  const { row } = source;
  const userId = toUserId(row.userId);
  if (userId === null) return { skipped: 'user-id-unusable', userId: null };
  const enabled = mapping.hasEnabled ? readFlag(row.enabled) : isThere(row.secret);
  if (enabled === null) return { skipped: 'enabled-unclear', userId };
  if (!enabled) return { skipped: 'not-enabled', userId };
  const secret = await readSecret(row.secret, mapping);
  if (typeof secret === 'string') return { skipped: secret, userId };
  const steps = readSteps(source.usage, mapping, nowMs);
  if (steps === null) return { skipped: 'usage-impossible', userId };
  const codes = readCodes(userId, source.codes, mapping);
  const [createdAtMs, lastUsedAtMs] = [readTimeMs(row.createdAt), readTimeMs(row.lastUsedAt)];
  return { user: { userId, secret, createdAtMs, lastUsedAtMs, codes, steps } };
}

async function readSecret(value: unknown, { decrypt, encoding }: ImportMapping): Promise<Buffer | BadReason> {
  if (!isThere(value)) return 'secret-missing';
  let text: unknown;
  try {
    text = await decrypt(value);
  } catch {
    return 'secret-undecryptable';
  }
  const secret = typeof text === 'string' ? decodeSecret(text, encoding) : null;
  if (secret === null) return 'secret-malformed';
  return isPossibleSecret(secret) ? secret : 'secret-impossible';
}

function isThere(value: unknown): boolean {
  return value !== null && value !== undefined && value !== '' && !(value instanceof Uint8Array && value.length === 0);
}

function readCodes(userId: string, rows: readonly SourceRow[], { backupCodes }: ImportMapping): ReadCodes {
  const read: ReadCodes = { usable: [], usedIds: [], skipped: [] };
  const spelling = backupCodes?.spelling ?? 'plain';
  const unused: HashedCode[] = [];
  for (const { hash, usedAt } of rows) {
    const code = importedCode(userId, spelling, typeof hash === 'string' ? hash : '');
    const used = readFlag(usedAt);
    if (used === null) read.skipped.push('used-unclear');
    else if (used) read.usedIds.push(code.id);
    else if (typeof hash !== 'string' || parsePhc(hash) === null) read.skipped.push('not-argon2id');
    else unused.push(code);
  }
  return { ...read, ...withinBounds(unused, new Set(read.usedIds), read.skipped) };
}

/** Identical rows are one code, which is used if one of the rows is used. */
function withinBounds(
  unused: readonly HashedCode[],
  used: ReadonlySet<string>,
  skipped: readonly CodeReason[],
): Pick<ReadCodes, 'usable' | 'skipped'> {
  const distinct = new Map(unused.filter(({ id }) => !used.has(id)).map((code) => [code.id, code]));
  const comparable = hashGroupsOf([...distinct.values()]).flatMap(({ targets }) => targets.map(({ id }) => id));
  const kept = new Set(comparable.slice(0, MOST_CODES));
  const tooCostly = Array.from({ length: distinct.size - kept.size }, () => 'too-costly' as const);
  return { usable: [...distinct.values()].filter(({ id }) => kept.has(id)), skipped: [...skipped, ...tooCostly] };
}

/** `null` when a window is not a plausible time step: the column has another unit, and codes could be replayed. */
function readSteps(rows: readonly SourceRow[], { usage, totp }: ImportMapping, nowMs: number): ReadSteps | null {
  const read: ReadSteps = { live: [], expired: 0 };
  const periodMs = totp.periodSeconds * 1000;
  const unitMs = { steps: periodMs, seconds: 1000, milliseconds: 1 }[usage?.unit ?? 'steps'];
  for (const { window } of rows) {
    const step = Math.floor((readWindow(window) * unitMs) / periodMs);
    const timeMs = step * periodMs;
    if (!(timeMs >= EARLIEST_MS && timeMs <= nowMs + DAY_MS)) return null;
    const expiresAtMs = spentUntilMs({ step, periodSeconds: totp.periodSeconds, window: WIDEST_WINDOW });
    if (expiresAtMs > nowMs) read.live.push({ step, expiresAtMs });
    else read.expired += 1;
  }
  return read;
}

function readWindow(value: unknown): number {
  if (typeof value === 'number') return Number.isInteger(value) ? value : NaN;
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : NaN;
}
