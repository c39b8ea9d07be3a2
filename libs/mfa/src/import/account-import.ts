import { isActive, isEnabled, type AccountSnapshot } from '../domain/accounts/account.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { MfaError } from '../domain/mfa-error.js';
import type { BadReason, BenignReason } from './import-report.js';
import { type AuthenticatorParams, begunAt, idsOf, ImportedRows } from './imported-rows.js';
import type { ImportTools } from './import-tools.js';
import type { UserToImport } from './read-user.js';

/** Why a user is not imported. */
export type Standing = BenignReason | Extract<BadReason, 'changed-since'>;

/** An account with the import markers that were spent for it. */
interface MarkedAccount extends AccountSnapshot {
  markers: readonly string[];
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
   * @throws MfaError `MFA_BUSY` when the account keeps changing
   */
  async run(user: UserToImport): Promise<Standing | null> {
    const before = await this.opened(user.userId);
    const standing = this.standingOf(before, user);
    if (standing !== null) return this.leave(before, user, standing);
    await this.rows.write(before, user);
    await this.spendSteps(before, user);
    await this.spendForever(before, begunAt(before.account.securityStamp));
    const after = await this.commit(before, user);
    if (after === null) {
      const now = await this.opened(user.userId);
      return this.leave(now, user, this.standingOf(now, user) ?? 'already-enabled');
    }
    await this.complete({ ...after, markers: before.markers }, user);
    return null;
  }

  private async leave(now: MarkedAccount, user: UserToImport, standing: Standing): Promise<Standing> {
    if (standing === 'already-imported') {
      await this.spendSteps(now, user);
      await this.complete(now, user);
    }
    // A user who enrolled here has given up the old secret for good, too (S59).
    if (standing === 'already-enabled') await this.close(now);
    return standing;
  }

  private standingOf(now: MarkedAccount | null, { userId, secret }: UserToImport): Standing | null {
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

  private async load(userId: string): Promise<MarkedAccount | null> {
    const snapshot = await this.tools.accounts.load(userId);
    if (!snapshot) return null;
    const spent = await this.tools.usage.list(userId);
    return { ...snapshot, markers: spent.filter(({ kind }) => kind === 'import').map(({ item }) => item) };
  }

  private async opened(userId: string): Promise<MarkedAccount> {
    const known = await this.load(userId);
    if (known) return known;
    await this.tools.accounts.open(userId, this.tools.clock.nowMs());
    const opened = await this.load(userId);
    if (!opened) throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
    return opened;
  }

  /** One statement for each step: an interrupted run has spent some of them already. */
  private async spendSteps({ account }: AccountSnapshot, { userId, steps }: UserToImport): Promise<void> {
    const { authenticatorId } = idsOf(userId);
    // A table without a unique key may hold an accepted code many times.
    const distinct = new Map(steps.live.map(({ step, expiresAtMs }) => [step, expiresAtMs]));
    for (const [step, expiresAtMs] of distinct) {
      const entry = { kind: 'totp', item: `${authenticatorId}:${step}`, expiresAtMs } as const;
      await this.tools.usage.spend({
        userId,
        securityStamp: account.securityStamp,
        entries: [entry],
        nowMs: this.tools.clock.nowMs(),
      });
    }
  }

  /** The commit point: from here on MFA is required. `null` = the user has enrolled in the meantime. */
  private async commit({ account }: AccountSnapshot, { userId, codes }: UserToImport): Promise<AccountSnapshot | null> {
    const { authenticatorId, setId } = idsOf(userId);
    const { before, after } = await changeAccount(this.tools.accounts, userId, (now) => {
      if (isEnabled(now)) return null;
      // The database may have refused what was spent under another security stamp.
      if (now.account.securityStamp !== account.securityStamp) throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
      return {
        securityStamp: now.account.securityStamp + 1,
        activeFactors: [{ type: 'totp', id: authenticatorId }],
        // A pending setup was proved for an account without any authenticator (S12).
        pendingId: null,
        backupSetId: codes.usable.length > 0 ? setId : null,
      };
    });
    return after === before ? null : after;
  }

  /** Everything after the commit. Each step can be repeated, and writes nothing when it was done before. */
  private async complete(after: MarkedAccount, user: UserToImport): Promise<void> {
    const { authenticators } = this.tools;
    const { userId } = user;
    const { authenticatorId, setId } = idsOf(userId);
    const isCollectable = after.authenticators.some((row) => row.id === authenticatorId && row.expiresAtMs !== null);
    if (isCollectable) await authenticators.collectAfter(userId, [authenticatorId], null);
    if (after.account.backupSetId === setId) await this.completeCodes(after, user);
    await this.close(after);
  }

  private async close(now: MarkedAccount): Promise<void> {
    if (!isClosed(now)) await this.spendForever(now, idsOf(now.account.userId).marker);
  }

  private async spendForever({ account: { userId, securityStamp } }: AccountSnapshot, item: string): Promise<void> {
    const entries = [{ kind: 'import', item, expiresAtMs: null } as const];
    await this.tools.usage.spend({ userId, securityStamp, entries, nowMs: this.tools.clock.nowMs() });
  }

  /** Ends the orphan grace, and spends the codes that were used in the other system after the first run. */
  private async completeCodes({ account }: AccountSnapshot, { userId, codes }: UserToImport): Promise<void> {
    const { backupCodes, usage, clock } = this.tools;
    const { setId } = idsOf(userId);
    const live = await backupCodes.list(userId, setId);
    if (live.some(({ expiresAtMs }) => expiresAtMs !== null)) await backupCodes.collectAfter(userId, setId, null);
    const used = new Set(codes.usedIds);
    for (const { id } of live.filter((each) => used.has(each.id) && each.usedAtMs === null)) {
      const entries = [{ kind: 'backup_code', item: id, expiresAtMs: null } as const];
      const nowMs = clock.nowMs();
      await usage.spend({ userId, securityStamp: account.securityStamp, backupSetId: setId, entries, nowMs });
      await backupCodes.markUsed(userId, id, nowMs);
    }
  }
}

/** Whether an earlier run has completed this user, or the user has enrolled here. */
function isClosed({ account, markers }: MarkedAccount): boolean {
  return markers.includes(idsOf(account.userId).marker);
}

/**
 * Whether a run imported the user and died after its commit, and the import was removed since then. The commit raises the
 * security stamp, and so does the removal. A run that died before its commit leaves the stamp unchanged.
 */
function committedOnce({ account, markers }: MarkedAccount): boolean {
  return markers.some((item) => {
    const [, begun] = /^import-begun:(\d+)$/.exec(item) ?? [];
    return begun !== undefined && account.securityStamp >= Number(begun) + 2;
  });
}
