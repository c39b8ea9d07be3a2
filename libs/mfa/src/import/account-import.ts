import type { AccountSnapshot } from '../domain/accounts/account.js';
import type { MfaAccountStore } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import { LEASE_MS } from '../domain/accounts/lease.js';
import type { Authenticator, TotpParameters } from '../domain/authenticators/authenticator.js';
import type { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import type { BackupCode } from '../domain/backup-codes/backup-code.js';
import type { HashedCode } from '../domain/backup-codes/recipes.js';
import type { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import type { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { nameBasedId } from '../domain/name-based-id.js';
import type { SealContext, SecretBox } from '../domain/secrets/secret-box.js';
import type { MfaUsageStore } from '../domain/usage/usage.store.js';
import type { BadReason, BenignReason } from './import-report.js';
import type { UserToImport } from './read-user.js';

/** The storage ports and what else an import writes with. */
export interface ImportTools {
  accounts: MfaAccountStore;
  authenticators: MfaAuthenticatorStore;
  backupCodes: MfaBackupCodeStore;
  usage: MfaUsageStore;
  box: SecretBox;
  clock: MfaClock;
}

/** Why a user is left alone. */
export type Standing = BenignReason | Extract<BadReason, 'changed-since'>;

/** What imported authenticators have in common. */
export interface AuthenticatorTerms extends TotpParameters {
  name: string;
}

/** Rows of one user that an import writes: always the same ones, so that a second run finds those of the first. */
interface RowIds {
  authenticatorId: string;
  setId: string;
  /** Spent once the import is done, and never forgotten: who disables MFA later does not get it back by a second run. */
  marker: string;
}

const idsOf = (userId: string): RowIds => {
  const authenticatorId = nameBasedId('imported authenticator', userId);
  return { authenticatorId, setId: nameBasedId('imported backup set', userId), marker: `import:${authenticatorId}` };
};

/**
 * Makes one user's account of what another system stored. As an enrollment does it: rows are written first and named
 * by no account, one compare-and-swap of the account row switches over, and the lease of the rows ends. What stops
 * half-way gates nothing and verifies nothing; the next run completes it, or the cleanup collects it.
 */
export class AccountImport {
  constructor(
    private readonly tools: ImportTools,
    private readonly terms: AuthenticatorTerms,
  ) {}

  /** Why the user is left alone, or `null`. One statement, no write. */
  async standing(user: UserToImport): Promise<Standing | null> {
    return this.standingOf(await this.load(user.userId), user);
  }

  /**
   * Imports the user, or makes an earlier import complete: what was spent in the other system since is spent here too.
   * @returns why the user was left alone, or `null`
   * @throws MfaError `MFA_BUSY` when the account changes all the time
   */
  async run(user: UserToImport): Promise<Standing | null> {
    const before = await this.opened(user.userId);
    const standing = this.standingOf(before, user);
    if (standing !== null) return this.leave(before, user, standing);
    await this.writeRows(before, user);
    await this.spendSteps(before, user);
    const after = await this.commit(before, user);
    if (after === null) {
      const now = await this.opened(user.userId);
      return this.leave(now, user, this.standingOf(now, user) ?? 'already-enabled');
    }
    await this.complete(after, user);
    return null;
  }

  private async leave(now: AccountSnapshot, user: UserToImport, standing: Standing): Promise<Standing> {
    if (standing !== 'already-imported') return standing;
    await this.spendSteps(now, user);
    await this.complete(now, user);
    return standing;
  }

  private standingOf(now: AccountSnapshot | null, { userId, secret }: UserToImport): Standing | null {
    if (!now) return null;
    const { activeIds } = now.account;
    const { authenticatorId } = idsOf(userId);
    const imported = now.authenticators.find(({ id }) => id === authenticatorId);
    // One that cannot be opened is no reason to touch it either.
    if (activeIds.includes(authenticatorId))
      return imported && this.holds(imported, secret) ? 'already-imported' : 'changed-since';
    if (activeIds.length > 0) return 'already-enabled';
    return now.tokenSpent ? 'removed-since' : null;
  }

  private load(userId: string): Promise<AccountSnapshot | null> {
    // A marker is asked for like a token: it is spent, or it is not.
    return this.tools.accounts.load(userId, idsOf(userId).marker);
  }

  private async opened(userId: string): Promise<AccountSnapshot> {
    const known = await this.load(userId);
    if (known) return known;
    await this.tools.accounts.open(userId, this.tools.clock.nowMs());
    const opened = await this.load(userId);
    if (!opened) throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
    return opened;
  }

  private async writeRows(before: AccountSnapshot, user: UserToImport): Promise<void> {
    const { authenticators, clock } = this.tools;
    const expiresAtMs = clock.nowMs() + LEASE_MS;
    const row = this.authenticatorRow(user, expiresAtMs);
    const left = before.authenticators.find(({ id }) => id === row.id);
    if (left && this.holds(left, user.secret)) await authenticators.expire(user.userId, [row.id], expiresAtMs);
    else {
      if (left) await authenticators.remove(user.userId, [row.id]);
      await authenticators.add(row);
    }
    await this.writeCodes(user, expiresAtMs);
  }

  private async writeCodes({ userId, codes }: UserToImport, expiresAtMs: number): Promise<void> {
    const { backupCodes, box } = this.tools;
    const { setId } = idsOf(userId);
    const left = await backupCodes.list(userId, setId);
    if (this.holdCodes(left, codes.usable)) return backupCodes.expire(userId, setId, expiresAtMs);
    // Of a run that stopped half-way, when the source was another. No account names the set, so nobody misses it.
    if (left.length > 0) await backupCodes.remove(userId, setId);
    const rows = codes.usable.map(({ id, phc }): BackupCode => {
      const hash = box.seal(Buffer.from(phc), { purpose: 'backup-code', userId, credentialId: id });
      return { id, userId, setId, hash, usedAtMs: null, expiresAtMs };
    });
    if (rows.length > 0) await backupCodes.add(rows);
  }

  /** One at a time: a run that stopped half-way has spent some of them already. */
  private async spendSteps({ account }: AccountSnapshot, { userId, steps }: UserToImport): Promise<void> {
    const { authenticatorId } = idsOf(userId);
    for (const { step, expiresAtMs } of steps.live) {
      const entry = { kind: 'totp', item: `${authenticatorId}:${step}`, expiresAtMs } as const;
      await this.tools.usage.spend({ userId, epoch: account.epoch, entries: [entry], nowMs: this.tools.clock.nowMs() });
    }
  }

  /** The commit point: from here on the authenticator gates. `null`: the user has enrolled meanwhile. */
  private async commit({ account }: AccountSnapshot, { userId, codes }: UserToImport): Promise<AccountSnapshot | null> {
    const { authenticatorId, setId } = idsOf(userId);
    const { before, after } = await changeAccount(this.tools.accounts, userId, (now) => {
      if (now.account.activeIds.length > 0) return null;
      // What was spent under another epoch was perhaps not spent at all.
      if (now.account.epoch !== account.epoch) throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
      return {
        epoch: now.account.epoch + 1,
        activeIds: [authenticatorId],
        // A setup that is under way was proved for an account without any authenticator (S12).
        pendingId: null,
        backupSetId: codes.usable.length > 0 ? setId : null,
      };
    });
    return after === before ? null : after;
  }

  /** Everything behind the commit; each piece can be repeated, and writes nothing where it is done. */
  private async complete(after: AccountSnapshot, user: UserToImport): Promise<void> {
    const { authenticators, usage, clock } = this.tools;
    const { userId } = user;
    const { authenticatorId, setId, marker } = idsOf(userId);
    const leased = after.authenticators.some((row) => row.id === authenticatorId && row.expiresAtMs !== null);
    if (leased) await authenticators.expire(userId, [authenticatorId], null);
    if (after.account.backupSetId === setId) await this.completeCodes(after, user);
    if (after.tokenSpent) return;
    const entries = [{ kind: 'token', item: marker, expiresAtMs: null } as const];
    await usage.spend({ userId, epoch: after.account.epoch, entries, nowMs: clock.nowMs() });
  }

  /** Ends the lease, and spends the codes that were used in the other system after the first run. */
  private async completeCodes({ account }: AccountSnapshot, { userId, codes }: UserToImport): Promise<void> {
    const { backupCodes, usage, clock } = this.tools;
    const { setId } = idsOf(userId);
    const live = await backupCodes.list(userId, setId);
    if (live.some(({ expiresAtMs }) => expiresAtMs !== null)) await backupCodes.expire(userId, setId, null);
    for (const { id } of live.filter((each) => codes.usedIds.includes(each.id) && each.usedAtMs === null)) {
      const entries = [{ kind: 'backup_code', item: id, expiresAtMs: null } as const];
      const nowMs = clock.nowMs();
      await usage.spend({ userId, epoch: account.epoch, backupSetId: setId, entries, nowMs });
      await backupCodes.markUsed(userId, id, nowMs);
    }
  }

  private authenticatorRow(user: UserToImport, expiresAtMs: number): Authenticator {
    const { userId, secret, createdAtMs, lastUsedAtMs } = user;
    const id = idsOf(userId).authenticatorId;
    const nowMs = this.tools.clock.nowMs();
    const sealed = this.tools.box.seal(secret, contextOf(userId, id));
    const times = { createdAtMs: createdAtMs ?? nowMs, confirmedAtMs: createdAtMs ?? nowMs, lastUsedAtMs, expiresAtMs };
    return { id, userId, ...this.terms, secret: sealed, ...times };
  }

  /** Whether a row that an earlier run left is what would be written now. */
  private holds(row: Authenticator, secret: Buffer): boolean {
    const { algorithm, digits, periodSeconds } = this.terms;
    if (row.algorithm !== algorithm || row.digits !== digits || row.periodSeconds !== periodSeconds) return false;
    try {
      return this.tools.box.open(row.secret, contextOf(row.userId, row.id)).equals(secret);
    } catch {
      return false;
    }
  }

  /** The same of a set of codes. */
  private holdCodes(rows: readonly BackupCode[], codes: readonly HashedCode[]): boolean {
    const opened = (id: string) => {
      const row = rows.find((each) => each.id === id);
      if (!row) return null;
      const context = { purpose: 'backup-code', userId: row.userId, credentialId: id } as const;
      return this.tools.box.open(row.hash, context).toString('utf8');
    };
    try {
      return rows.length === codes.length && codes.every(({ id, phc }) => opened(id) === phc);
    } catch {
      return false;
    }
  }
}

function contextOf(userId: string, credentialId: string): SealContext {
  return { purpose: 'totp-secret', userId, credentialId };
}
