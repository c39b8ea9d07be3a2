import { isActive, isEnabled, type AccountSnapshot } from '../domain/accounts/account.js';
import { changeAccount, type DecidedChange } from '../domain/accounts/change-account.js';
import { busyError, isMfaError } from '../domain/mfa-error.js';
import type { SpentEntry, UsageEntry } from '../domain/usage/usage.js';
import type { BadReason, BenignReason } from './import-report.js';
import { type AuthenticatorParams, begunAt, idsOf, ImportedRows } from './imported-rows.js';
import type { ImportTools } from './import-tools.js';
import type { UserToImport } from './read-user.js';

/** Why a user is not imported. */
export type Standing = BenignReason | Extract<BadReason, 'changed-since'>;

/** Attempts to import one user. Each further one means that the account changed during the one before. */
const MOST_TRIES = 3;

/** An account with what was spent for it. */
interface LoadedAccount extends AccountSnapshot {
  spent: readonly SpentEntry[];
}

/**
 * Writes one user's account from what another system stored. It works like an enrollment: it writes the rows first, then
 * one compare-and-swap of the account row makes them live, and then it ends the orphan grace of the rows. Until the
 * compare-and-swap the user needs no second factor here, and no code is accepted. The next run completes an interrupted
 * import, or the cleanup collects its rows.
 */
export class AccountImport {
  private readonly rows: ImportedRows;

  constructor(
    private readonly tools: ImportTools,
    params: AuthenticatorParams,
  ) {
    this.rows = new ImportedRows(tools, params);
  }

  /** Returns why the user would not be imported, or `null`. Writes nothing. */
  async standing(user: UserToImport): Promise<Standing | null> {
    return this.standingOf(await this.load(user.userId), user);
  }

  /**
   * Imports the user, or completes an earlier import: spends what was spent in the other system since then.
   * @returns why the user was not imported, or `null`
   * @throws MfaError `MFA_BUSY` when the account keeps changing. The next run completes the import
   */
  async run(user: UserToImport): Promise<Standing | null> {
    const result = await retrying(() => this.importOrLeave(user));
    if (typeof result === 'string') return result;
    await this.complete(result, user);
    return null;
  }

  /** Returns the account with the imported factor, or why the user was not imported. */
  private async importOrLeave(user: UserToImport): Promise<LoadedAccount | Standing> {
    const before = await this.opened(user.userId);
    const standing = this.standingOf(before, user);
    if (standing !== null) return this.leave(before, user, standing);
    await this.rows.write(before, user);
    await this.spendSteps(before, user);
    await this.spend(before, forever('import', begunAt(before.account.securityStamp)));
    return { ...(await this.commit(before, user)), spent: before.spent };
  }

  private async leave(now: LoadedAccount, user: UserToImport, standing: Standing): Promise<Standing> {
    if (standing === 'already-imported') {
      await this.spendSteps(now, user);
      await this.complete(now, user);
    }
    // A user who enrolled here has given up the old secret for good, too (S59).
    if (standing === 'already-enabled') await this.close(now);
    return standing;
  }

  private standingOf(now: LoadedAccount | null, { userId, secret }: UserToImport): Standing | null {
    if (!now) return null;
    const { authenticatorId } = idsOf(userId);
    const imported = now.authenticators.find(({ id }) => id === authenticatorId);
    // An authenticator that cannot be opened is not changed either.
    if (isActive(now.account, authenticatorId))
      return imported && this.rows.holds(imported, secret) ? 'already-imported' : 'changed-since';
    if (isEnabled(now)) return 'already-enabled';
    // The factor that the other system knows is the one that an administrator took away (S102).
    if (now.account.mustEnrollSinceMs !== null) return 'removed-since';
    return isClosed(now) || (!imported && committedOnce(now)) ? 'removed-since' : null;
  }

  private async load(userId: string): Promise<LoadedAccount | null> {
    const snapshot = await this.tools.accounts.load(userId);
    if (!snapshot) return null;
    return { ...snapshot, spent: await this.tools.usage.list(userId) };
  }

  private async opened(userId: string): Promise<LoadedAccount> {
    const known = await this.load(userId);
    if (known) return known;
    await this.tools.accounts.open(userId, this.tools.clock.nowMs());
    const opened = await this.load(userId);
    if (!opened) throw busyError();
    return opened;
  }

  /** One statement for each step: an interrupted run has spent some of them already. */
  private async spendSteps(now: LoadedAccount, { userId, steps }: UserToImport): Promise<void> {
    const { authenticatorId } = idsOf(userId);
    // A table without a unique key may hold an accepted code many times.
    const distinct = new Map(steps.live.map(({ step, expiresAtMs }) => [step, expiresAtMs]));
    for (const [step, expiresAtMs] of distinct)
      await this.spend(now, { kind: 'totp', item: `${authenticatorId}:${step}`, expiresAtMs });
  }

  /** The commit point: from here on MFA is required. */
  private async commit({ account }: AccountSnapshot, { userId, codes }: UserToImport): Promise<AccountSnapshot> {
    const { authenticatorId, setId } = idsOf(userId);
    const decide = (now: AccountSnapshot): DecidedChange => {
      // What was spent before the commit, and its marker, are of this security stamp.
      if (isEnabled(now) || now.account.securityStamp !== account.securityStamp) throw busyError();
      return {
        securityStamp: now.account.securityStamp + 1,
        activeFactors: [{ type: 'totp', id: authenticatorId }],
        // A pending setup was proved for an account without any authenticator (S12).
        pendingId: null,
        backupSetId: codes.usable.length > 0 ? setId : null,
        lastChange: null,
      };
    };
    return (await changeAccount(this.tools.accounts, userId, decide, 'MFA_BUSY')).after;
  }

  /** Everything after the commit. Each step can be repeated, and writes nothing when it was done before. */
  private async complete(after: LoadedAccount, user: UserToImport): Promise<void> {
    const { authenticators } = this.tools;
    const { userId } = user;
    const { authenticatorId, setId } = idsOf(userId);
    const isCollectable = after.authenticators.some((row) => row.id === authenticatorId && row.expiresAtMs !== null);
    if (isCollectable) await authenticators.collectAfter(userId, [authenticatorId], null);
    if (after.account.backupSetId === setId) await this.completeCodes(after, user);
    await this.close(after);
  }

  private async close(now: LoadedAccount): Promise<void> {
    await this.spend(now, forever('import', idsOf(now.account.userId).marker));
  }

  /** Ends the orphan grace, and spends the codes that were used in the other system after the first run. */
  private async completeCodes(now: LoadedAccount, { userId, codes }: UserToImport): Promise<void> {
    const { backupCodes, clock } = this.tools;
    const { setId } = idsOf(userId);
    const live = await backupCodes.list(userId, setId);
    if (live.some(({ expiresAtMs }) => expiresAtMs !== null)) await backupCodes.collectAfter(userId, setId, null);
    const used = new Set(codes.usedIds);
    const usedElsewhere = live.filter(({ id }) => used.has(id));
    for (const { id, usedAtMs } of usedElsewhere) {
      await this.spend(now, forever('backup_code', id), setId);
      if (usedAtMs === null) await backupCodes.markUsed(userId, id, clock.nowMs());
    }
    // Also when an earlier run spent them: it may have died before it counted.
    if (usedElsewhere.length > 0) await backupCodes.recount(userId);
  }

  /**
   * Spends an entry that was not spent before.
   * @throws MfaError `MFA_BUSY` when the account has changed since it was loaded. Then the entry is not spent
   */
  // S27, S32, S59
  private async spend(now: LoadedAccount, entry: UsageEntry, backupSetId?: string): Promise<void> {
    if (isSpent(now, entry)) return;
    const { usage, clock } = this.tools;
    const { userId, securityStamp } = now.account;
    const spending = { userId, securityStamp, backupSetId, entries: [entry], nowMs: clock.nowMs() };
    // Another run may have spent it meanwhile.
    if ((await usage.spend(spending)) === true || (await usage.has(userId, entry))) return;
    throw busyError();
  }
}

/** Does the work, and again when the account changed meanwhile. */
async function retrying<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (tries === MOST_TRIES || !isMfaError(error) || error.code !== 'MFA_BUSY') throw error;
    }
  }
}

/** An entry that stays spent. */
function forever(kind: 'import' | 'backup_code', item: string): UsageEntry {
  return { kind, item, expiresAtMs: null };
}

function isSpent({ spent }: LoadedAccount, { kind, item }: UsageEntry): boolean {
  return spent.some((each) => each.kind === kind && each.item === item);
}

/** Whether an earlier run has completed this user, or the user has enrolled here. */
function isClosed(now: LoadedAccount): boolean {
  return isSpent(now, forever('import', idsOf(now.account.userId).marker));
}

/**
 * Whether a run imported the user and died after its commit, and the import was removed since then. The commit raises the
 * security stamp, and so does the removal. A run that died before its commit leaves the stamp unchanged.
 */
function committedOnce({ account, spent }: LoadedAccount): boolean {
  return spent.some(({ kind, item }) => {
    const [, begun] = /^import-begun:(\d+)$/.exec(item) ?? [];
    return kind === 'import' && begun !== undefined && account.securityStamp >= Number(begun) + 2;
  });
}
