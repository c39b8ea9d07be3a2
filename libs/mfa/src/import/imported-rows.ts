import type { AccountSnapshot } from '../domain/accounts/account.js';
import { ORPHAN_GRACE_MS } from '../domain/accounts/orphan-grace.js';
import type { Authenticator, TotpParameters } from '../domain/authenticators/authenticator.js';
import type { BackupCode } from '../domain/backup-codes/backup-code.js';
import type { HashedCode } from '../domain/backup-codes/hash-groups.js';
import { MfaError } from '../domain/mfa-error.js';
import { deterministicUuid } from './deterministic-uuid.js';
import type { SealContext } from '../domain/secrets/secret-box.js';
import { CLOCK_SKEW_MS } from '../domain/totp/replay.js';
import type { ImportTools } from './import-tools.js';
import type { UserToImport } from './read-user.js';

/** What imported authenticators have in common. */
export interface AuthenticatorParams extends TotpParameters {
  name: string;
}

/** Rows of one user that an import writes: always the same ones, so that a second run finds those of the first. */
export interface RowIds {
  authenticatorId: string;
  setId: string;
  /** Spent once the import is done, and never forgotten: who disables MFA later does not get it back by a second run. */
  marker: string;
}

/** The ids of what an import writes for a user. */
export function idsOf(userId: string): RowIds {
  const authenticatorId = deterministicUuid('imported authenticator', userId);
  return {
    authenticatorId,
    setId: deterministicUuid('imported backup set', userId),
    marker: `import:${authenticatorId}`,
  };
}

/** Spent just before a commit that wants this security stamp: tells later runs of a commit behind which the process died. */
export const begunAt = (securityStamp: number): string => `import-begun:${securityStamp}`;

/** The authenticator and the backup codes of one user, written under a lease before the account names them. */
export class ImportedRows {
  constructor(
    private readonly tools: Pick<ImportTools, 'authenticators' | 'backupCodes' | 'box' | 'clock'>,
    private readonly terms: AuthenticatorParams,
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

  /** Whether a row that an earlier run left is what would be written now. */
  holds(row: Authenticator, secret: Buffer): boolean {
    const { algorithm, digits, periodSeconds } = this.terms;
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
   * Makes room where a run stopped half-way and the source was another then. Rows without a lease are live, and those
   * under one are perhaps named by the account in a moment: with them would go what of them is spent (S32).
   */
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
    return { id, userId, ...this.terms, secret: sealed, ...times, setupBinding: null };
  }

  /** As {@link holds}, of a set of codes. */
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
