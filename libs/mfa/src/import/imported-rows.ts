import type { AccountSnapshot } from '../domain/accounts/account.js';
import { ORPHAN_GRACE_MS } from '../domain/accounts/orphan-grace.js';
import type { Authenticator, TotpParameters } from '../domain/authenticators/authenticator.js';
import type { BackupCode } from '../domain/backup-codes/backup-code.js';
import type { HashedCode } from '../domain/backup-codes/hash-groups.js';
import { MfaError } from '../domain/mfa-error.js';
import { deterministicUuid, importedAuthenticatorId, importMarkerOf } from '../domain/deterministic-uuid.js';
import type { SealContext } from '../domain/secrets/secret-box.js';
import { CLOCK_SKEW_MS } from '../domain/usage/usage.js';
import type { ImportTools } from './import-tools.js';
import type { UserToImport } from './read-user.js';

/** What imported authenticators have in common. */
export interface AuthenticatorParams extends TotpParameters {
  name: string;
}

/** The ids of the rows that an import writes for one user. They are deterministic, so a second run finds the rows of the first. */
export interface RowIds {
  authenticatorId: string;
  setId: string;
  /** Is spent when the import is complete, and never removed. So a second run does not bring MFA back after a user disabled it. */
  marker: string;
}

/** The ids of what an import writes for a user. */
export function idsOf(userId: string): RowIds {
  return {
    authenticatorId: importedAuthenticatorId(userId),
    setId: deterministicUuid('imported backup set', userId),
    marker: importMarkerOf(userId),
  };
}

/** Is spent just before a commit at this security stamp. So a later run recognises a commit after which the process died. */
export const begunAt = (securityStamp: number): string => `import-begun:${securityStamp}`;

/** Writes the authenticator and the backup codes of one user, with an orphan grace until the account names them. */
export class ImportedRows {
  constructor(
    private readonly tools: Pick<ImportTools, 'authenticators' | 'backupCodes' | 'box' | 'clock'>,
    private readonly params: AuthenticatorParams,
  ) {}

  /** @throws MfaError `MFA_BUSY` when another run, of another source, may still be writing them */
  async write(before: AccountSnapshot, user: UserToImport): Promise<void> {
    const { authenticators, clock } = this.tools;
    const expiresAtMs = clock.nowMs() + ORPHAN_GRACE_MS;
    const row = this.authenticatorRow(user, expiresAtMs);
    const left = before.authenticators.find(({ id }) => id === row.id);
    if (left && this.holds(left, user.secret)) await authenticators.collectAfter(user.userId, [row.id], expiresAtMs);
    else {
      if (left) await this.removeAbandoned([left], () => authenticators.remove(user.userId, [row.id]));
      await authenticators.add(row);
    }
    await this.writeCodes(user, expiresAtMs);
  }

  /** Whether a row of an earlier run equals the one that would be written now. */
  holds(row: Authenticator, secret: Buffer): boolean {
    const { algorithm, digits, periodSeconds } = this.params;
    if (row.algorithm !== algorithm || row.digits !== digits || row.periodSeconds !== periodSeconds) return false;
    try {
      return this.tools.box.open(row.secret, contextOf(row.userId, row.id)).equals(secret);
    } catch {
      return false;
    }
  }

  private async writeCodes({ userId, codes }: UserToImport, expiresAtMs: number): Promise<void> {
    const { backupCodes, box } = this.tools;
    const { setId } = idsOf(userId);
    const left = await backupCodes.list(userId, setId);
    if (this.holdCodes(left, codes.usable)) return backupCodes.collectAfter(userId, setId, expiresAtMs);
    if (left.length > 0) await this.removeAbandoned(left, () => backupCodes.remove(userId, setId));
    const rows = codes.usable.map(({ id, phc }): BackupCode => {
      const hash = box.seal(Buffer.from(phc), { purpose: 'backup-code', userId, credentialId: id });
      return { id, userId, setId, hash, usedAtMs: null, expiresAtMs };
    });
    if (rows.length > 0) await backupCodes.add(rows);
  }

  /**
   * Removes the rows of an interrupted run when the source has changed since then. It removes only rows whose orphan
   * grace is over. Rows without one are live, and the account may be about to name the others: removing them would also
   * remove which of their codes are spent.
   */
  // S32
  private async removeAbandoned(
    left: readonly Pick<Authenticator, 'expiresAtMs'>[],
    remove: () => Promise<void>,
  ): Promise<void> {
    const abandonedMs = this.tools.clock.nowMs() - CLOCK_SKEW_MS;
    if (left.some(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > abandonedMs))
      throw new MfaError('MFA_BUSY', { retryAfterSeconds: ORPHAN_GRACE_MS / 1000 });
    await remove();
  }

  private authenticatorRow(user: UserToImport, expiresAtMs: number): Authenticator {
    const { userId, secret, createdAtMs, lastUsedAtMs } = user;
    const id = idsOf(userId).authenticatorId;
    const nowMs = this.tools.clock.nowMs();
    const sealed = this.tools.box.seal(secret, contextOf(userId, id));
    const times = { createdAtMs: createdAtMs ?? nowMs, confirmedAtMs: createdAtMs ?? nowMs, lastUsedAtMs, expiresAtMs };
    return { id, userId, ...this.params, secret: sealed, ...times, setupBinding: null };
  }

  /** The same as {@link holds}, for a set of codes. */
  private holdCodes(rows: readonly BackupCode[], codes: readonly HashedCode[]): boolean {
    const byId = new Map(rows.map((row) => [row.id, row]));
    const opened = (id: string) => {
      const row = byId.get(id);
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
