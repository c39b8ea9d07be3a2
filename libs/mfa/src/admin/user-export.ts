import { isActive, isEnabled, type AccountSnapshot, type MfaAccount } from '../domain/accounts/account.js';
import { ATTEMPT_FACTORS, type AttemptFactor } from '../domain/attempts/attempt-policy.js';
import type { Authenticator, TotpParameters } from '../domain/authenticators/authenticator.js';
import type { BackupCode } from '../domain/backup-codes/backup-code.js';
import type { SpentEntry, UsageKind } from '../domain/usage/usage.js';

/** Everything the module stores about one user but secrets, hashes and tokens (GDPR Art. 15). */
export interface MfaUserExport {
  userId: string;
  enabled: boolean;
  authenticators: (TotpParameters & {
    id: string;
    name: string;
    /** `pending` awaits its first code; `removed` awaits the cleanup. */
    state: 'active' | 'pending' | 'removed';
    createdAt: Date;
    confirmedAt: Date | null;
    lastUsedAt: Date | null;
  })[];
  backupCodes: {
    remaining: number;
    /** When codes of the live set were used. */
    usedAt: Date[];
  };
  /** Consecutive failures and locks; a factor without either is left out. */
  attempts: { factor: AttemptFactor; failures: number; lockedUntil: Date | null }[];
  /** Codes and tokens that were accepted and are still remembered, so that none is accepted twice. */
  uses: {
    kind: UsageKind;
    at: Date;
    /** `null` = as long as the set of backup codes, or for what notes an import (a `token`) the account. */
    rememberedUntil: Date | null;
  }[];
}

/** The export from what the stores hold; `snapshot` is `null` for a user who never touched MFA. */
export function userExport(
  userId: string,
  snapshot: AccountSnapshot | null,
  codes: readonly BackupCode[],
  spent: readonly SpentEntry[],
): MfaUserExport {
  return {
    userId,
    enabled: isEnabled(snapshot),
    authenticators: snapshot?.authenticators.map((each) => exported(each, snapshot.account)) ?? [],
    backupCodes: {
      remaining: snapshot?.backupCodesRemaining ?? 0,
      usedAt: codes.flatMap(({ usedAtMs }) => (usedAtMs === null ? [] : [new Date(usedAtMs)])),
    },
    attempts: snapshot ? attempts(snapshot.account) : [],
    uses: spent.map(({ kind, spentAtMs, expiresAtMs }) => ({
      kind,
      at: new Date(spentAtMs),
      rememberedUntil: dateOf(expiresAtMs),
    })),
  };
}

function exported(authenticator: Authenticator, account: MfaAccount): MfaUserExport['authenticators'][number] {
  const { id, name, algorithm, digits, periodSeconds, createdAtMs, confirmedAtMs, lastUsedAtMs } = authenticator;
  return {
    ...{ id, name, algorithm, digits, periodSeconds },
    state: isActive(account, id) ? 'active' : account.pendingId === id ? 'pending' : 'removed',
    createdAt: new Date(createdAtMs),
    confirmedAt: dateOf(confirmedAtMs),
    lastUsedAt: dateOf(lastUsedAtMs),
  };
}

function attempts({ budgets }: MfaAccount): MfaUserExport['attempts'] {
  return ATTEMPT_FACTORS.map((factor) => ({
    factor,
    failures: budgets[factor].failures,
    lockedUntil: dateOf(budgets[factor].lockedUntilMs || null),
  })).filter(({ failures, lockedUntil }) => failures > 0 || lockedUntil !== null);
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}
