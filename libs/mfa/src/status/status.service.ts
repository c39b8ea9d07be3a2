import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { type AccountSnapshot, isEnabled, pendingAuthenticator, requireUserId } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { isImportedSet } from '../domain/backup-codes/imported-set.js';
import { MfaClock } from '../domain/clock.js';
import { type Factor, methodsOf, MFA_FACTORS } from '../domain/factors/factor.js';
import { pageOf } from '../domain/paging.js';
import { MfaPolicySeenStore } from '../domain/policy/policy-seen.store.js';
import { hasAllowedFactor } from '../domain/policy/policy.js';
import type { MfaRequiredProof } from '../domain/mfa-error.js';
import { authenticatorViews, type MfaAuthenticatorView } from '../enrollment/authenticator-view.js';
import { ReauthenticationCheck } from '../enrollment/reauthentication-check.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaPrincipal } from '../host/mfa-host.js';
import type { MfaMethod } from '../host/mfa-method.js';
import { knownPrincipal } from '../host/known-principal.js';
import { LoginPolicies } from '../policy/login-policies.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { type MfaDueQuery, type MfaDueUsers, readDueQuery } from './due-users.js';

/** What a user has set up. It contains no secrets. */
export interface MfaUserStatus {
  enabled: boolean;
  methods: MfaMethod[];
  authenticators: MfaAuthenticatorView[];
  backupCodes: {
    remaining: number;
    low: boolean;
    /** There only when the codes were imported: each guess costs several hashes until the owner regenerates them. */
    // S58
    regenerate?: true;
  };
  /** Whether a setup awaits its first code. */
  pendingSetup: boolean;
}

/** The status of one user, with the proofs that the next change requires. */
export interface MfaStatus extends MfaUserStatus {
  /** The proofs of which the next change of factors needs one; empty = a session is enough. */
  proof: MfaRequiredProof[];
  /** From when a policy is enforced for the user. Left out if the user has a factor that it allows, or if there is none. */
  enrollmentDueAt?: Date;
}

/** Users that one statement reads in {@link MfaStatusService.statusOf}. */
const BATCH = 200;

/**
 * Reads what users have set up, for account pages, admin lists and reports.
 * @example
 * const { enabled, authenticators } = await this.statuses.status(user.id);
 */
@Injectable()
@ThrowsMfaException()
export class MfaStatusService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly proofs: ReauthenticationCheck,
    private readonly policies: LoginPolicies,
    private readonly seen: MfaPolicySeenStore,
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * The status of one user. One statement, and one for each kind of authenticator besides TOTP; one more where a policy
   * requires a factor that the user does not have.
   * @param user the principal; with an id alone, `MfaHost.enrollmentProof` is called with a principal that has no more
   * @throws MfaException `MFA_BUSY`, also where `MfaHost.policy` fails
   */
  async status(user: MfaPrincipal | string | number, context?: ExecutionContext): Promise<MfaStatus> {
    const principal = knownPrincipal(typeof user === 'object' ? user : { userId: user, accountName: '' });
    const snapshot = principal && (await this.accounts.load(principal.userId));
    return {
      ...(await this.statusFrom(snapshot)),
      proof: principal ? await this.proofs.required(snapshot, principal) : [],
      ...(principal && (await this.enrollmentDue(principal.userId, snapshot, context))),
    };
  }

  private async enrollmentDue(
    userId: string,
    snapshot: AccountSnapshot | null,
    context?: ExecutionContext,
  ): Promise<{ enrollmentDueAt?: Date }> {
    const policy = await this.policies.of(userId, context);
    if (snapshot && hasAllowedFactor(snapshot.account, { policy })) return {};
    const enforcedFromMs = await this.policies.wouldBeEnforcedFrom(userId, policy);
    return enforcedFromMs === null ? {} : { enrollmentDueAt: new Date(enforcedFromMs) };
  }

  /**
   * Returns the status of many users, by user id. Runs one statement for each 200 users, one after another.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async statusOf(userIds: readonly (string | number)[]): Promise<Map<string, MfaUserStatus>> {
    const ids = [...new Set(userIds.map((each) => requireUserId(each, 'MfaStatusService.statusOf')))];
    const none = await this.statusFrom(null);
    const statuses = new Map(ids.map((id) => [id, { ...none }]));
    for (let start = 0; start < ids.length; start += BATCH) {
      const snapshots = await this.accounts.loadMany(ids.slice(start, start + BATCH));
      for (const snapshot of snapshots) statuses.set(snapshot.account.userId, await this.statusFrom(snapshot));
    }
    return statuses;
  }

  /**
   * Returns users for whom a policy is or will be enforced and who have no factor, for reminders. Only users who signed in
   * under the policy are known. One statement for each page.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable query
   * @example
   * const { users, next } = await this.statuses.listDue({ policyId: 'staff', graceSeconds: 14 * 86400, withinSeconds: 3 * 86400 });
   */
  async listDue(query: MfaDueQuery): Promise<MfaDueUsers> {
    const { graceMs, withinMs, limit, ...rest } = readDueQuery(query);
    const seenBeforeMs = this.clock.nowMs() + withinMs - graceMs;
    // One more than asked for shows whether there is a next page.
    const found = await this.seen.listDue({ ...rest, seenBeforeMs, limit: limit + 1 });
    const { page, next } = pageOf(found, limit, ({ firstSeenAtMs: value, userId }) => ({ value, userId }));
    const users = page.map(({ userId, firstSeenAtMs }) => ({ userId, dueAt: new Date(firstSeenAtMs + graceMs) }));
    return { users, next };
  }

  private async statusFrom(snapshot: AccountSnapshot | null): Promise<MfaUserStatus> {
    const enabled = isEnabled(snapshot);
    const remaining = enabled ? snapshot.backupCodesRemaining : 0;
    return {
      enabled,
      methods: snapshot ? methodsOf(snapshot, this.factors) : [],
      authenticators: snapshot ? await authenticatorViews(snapshot, this.factors) : [],
      backupCodes: {
        remaining,
        low: enabled && remaining <= this.options.backupCodes.lowAt,
        ...(enabled && isImportedSet(snapshot.account.backupSetId) ? { regenerate: true } : {}),
      },
      pendingSetup: snapshot !== null && pendingAuthenticator(snapshot, this.clock.nowMs()) !== null,
    };
  }
}
