import { activeIdsOf, isActive, isEnabled, type MfaAccount } from '../domain/accounts/account.js';
import { ATTEMPT_FACTORS, type AttemptFactor } from '../domain/attempts/attempt-policy.js';
import type { AuditState } from '../domain/audit/audit.store.js';
import type { Authenticator, TotpParameters } from '../domain/authenticators/authenticator.js';
import type { TrustedDevice } from '../domain/devices/device.js';
import type { Passkey } from '../domain/passkeys/passkey.js';
import type { MfaEvent } from '../host/mfa-event.js';
import type { UsageKind } from '../domain/usage/usage.js';
import type { UserRows } from './user-rows.js';

/** What the module stores about one user, without secrets, hashes and tokens (GDPR Art. 15). */
export interface MfaUserExport {
  userId: string;
  enabled: boolean;
  authenticators: (TotpParameters & {
    id: string;
    name: string;
    /** `active` = confirmed; `pending` = not confirmed yet; `removed` = the cleanup will remove the row. */
    state: 'active' | 'pending' | 'removed';
    createdAt: Date;
    confirmedAt: Date | null;
    lastUsedAt: Date | null;
  })[];
  passkeys: (Pick<Passkey, PublicPasskeyField> & {
    /** `active` = the account names it; `removed` = the cleanup will remove the row. */
    state: 'active' | 'removed';
    createdAt: Date;
    lastUsedAt: Date | null;
  })[];
  /** The WebAuthn user handle in base64url, which passkeys carry. `null` until the first passkey setup. */
  userHandle: string | null;
  backupCodes: {
    remaining: number;
    /** When codes of the current set were used. */
    usedAt: Date[];
  };
  /** Failures in a row and locks. A factor without failures and lock is left out. */
  attempts: { factor: AttemptFactor; failures: number; lockedUntil: Date | null }[];
  /** The policies that required MFA of the user, and when the user first logged in under each. */
  policies: { policyId: string; firstSeenAt: Date }[];
  /** The devices that the user trusts; those that ended are there until they expire. */
  devices: {
    id: string;
    kind: TrustedDevice['kind'];
    label: string;
    method: string;
    createdAt: Date;
    lastUsedAt: Date;
    expiresAt: Date;
  }[];
  /**
   * The events in the audit table, the newest first. `started` = the event was written before a change that may not have
   * been made.
   */
  events: (MfaEvent & { state: AuditState })[];
  /** When an administrator's reset required a new enrollment. `null` = none is required. */
  mustEnrollSince: Date | null;
  /** The recovery code that an administrator issued. `null` = none. */
  recoveryCode: { expiresAt: Date } | null;
  /** Accepted codes and tokens that are still stored, so that none is accepted twice. */
  uses: {
    kind: UsageKind;
    at: Date;
    /** `null` = as long as the set of backup codes exists; for the kind `import`, as long as the account exists. */
    rememberedUntil: Date | null;
  }[];
}

type PublicPasskeyField =
  'id' | 'name' | 'credentialId' | 'transports' | 'backupEligible' | 'backedUp' | 'userVerified' | 'aaguid';

/** Builds the export. */
export function userExport({
  userId,
  snapshot,
  codes,
  passkeys,
  spent,
  sightings,
  devices,
  events,
}: UserRows): MfaUserExport {
  const recovery = snapshot?.account.recovery;
  const activePasskeys = activeIdsOf('passkey', snapshot?.account.activeFactors ?? []);
  return {
    userId,
    enabled: isEnabled(snapshot),
    authenticators: snapshot?.authenticators.map((each) => exported(each, snapshot.account)) ?? [],
    passkeys: passkeys.map((each) => exportedPasskey(each, activePasskeys)),
    userHandle: snapshot?.account.userHandle ?? null,
    backupCodes: {
      remaining: snapshot?.backupCodesRemaining ?? 0,
      usedAt: codes.flatMap(({ usedAtMs }) => (usedAtMs === null ? [] : [new Date(usedAtMs)])),
    },
    attempts: snapshot ? attempts(snapshot.account) : [],
    policies: sightings.map(({ policyId, firstSeenAtMs }) => ({ policyId, firstSeenAt: new Date(firstSeenAtMs) })),
    devices: devices.map(exportedDevice),
    events: [...events],
    mustEnrollSince: dateOf(snapshot?.account.mustEnrollSinceMs ?? null),
    recoveryCode: recovery ? { expiresAt: new Date(recovery.expiresAtMs) } : null,
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

function exportedPasskey(passkey: Passkey, activeIds: readonly string[]): MfaUserExport['passkeys'][number] {
  const { id, name, credentialId, transports, backupEligible, backedUp, userVerified, aaguid } = passkey;
  return {
    ...{ id, name, credentialId, transports, backupEligible, backedUp, userVerified, aaguid },
    state: activeIds.includes(id) ? 'active' : 'removed',
    createdAt: new Date(passkey.createdAtMs),
    lastUsedAt: dateOf(passkey.lastUsedAtMs),
  };
}

function exportedDevice(device: TrustedDevice): MfaUserExport['devices'][number] {
  const { id, kind, label, method, createdAtMs, lastUsedAtMs, expiresAtMs } = device;
  const times = { createdAt: new Date(createdAtMs), lastUsedAt: new Date(lastUsedAtMs) };
  return { id, kind, label, method, ...times, expiresAt: new Date(expiresAtMs) };
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
