import { Inject, Injectable } from '@nestjs/common';
import {
  type AccountSnapshot,
  activeAuthenticators,
  isEnabled,
  pendingAuthenticator,
  requireUserId,
} from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import type { Authenticator } from '../domain/authenticators/authenticator.js';
import { isImportedSet } from '../domain/backup-codes/imported-set.js';
import { MfaClock } from '../domain/clock.js';
import type { MfaRequiredProof } from '../domain/mfa-error.js';
import { isWeakSecret } from '../domain/totp/totp.js';
import { authenticatorView, type MfaAuthenticatorView } from '../enrollment/authenticator-view.js';
import { ReauthenticationCheck } from '../enrollment/reauthentication-check.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaMethod, MfaPrincipal } from '../host/mfa-host.js';
import { methodsOf } from '../challenge/challenge.service.js';
import { knownPrincipal } from '../host/known-principal.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { SecretReader } from '../domain/secrets/secret-box.js';

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
    private readonly reader: SecretReader,
    private readonly proofs: ReauthenticationCheck,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * The status of one user. One statement.
   * @param user the principal; with an id alone, `MfaHost.enrollmentProof` is called with a principal that has no more
   * @throws MfaException `MFA_BUSY`
   */
  async status(user: MfaPrincipal | string | number): Promise<MfaStatus> {
    const principal = knownPrincipal(typeof user === 'object' ? user : { userId: user, accountName: '' });
    const snapshot = principal && (await this.accounts.load(principal.userId));
    return {
      ...this.statusFrom(snapshot),
      proof: principal ? await this.proofs.required(snapshot, principal) : [],
    };
  }

  /**
   * Returns the status of many users, by user id. Runs one statement for each 200 users, one after another.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async statusOf(userIds: readonly (string | number)[]): Promise<Map<string, MfaUserStatus>> {
    const ids = [...new Set(userIds.map((each) => requireUserId(each, 'MfaStatusService.statusOf')))];
    const statuses = new Map(ids.map((id) => [id, this.statusFrom(null)]));
    for (let start = 0; start < ids.length; start += BATCH) {
      const snapshots = await this.accounts.loadMany(ids.slice(start, start + BATCH));
      for (const snapshot of snapshots) statuses.set(snapshot.account.userId, this.statusFrom(snapshot));
    }
    return statuses;
  }

  private statusFrom(snapshot: AccountSnapshot | null): MfaUserStatus {
    const enabled = isEnabled(snapshot);
    const remaining = enabled ? snapshot.backupCodesRemaining : 0;
    return {
      enabled,
      methods: snapshot ? methodsOf(snapshot) : [],
      authenticators: snapshot ? activeAuthenticators(snapshot).map((each) => this.viewOf(each)) : [],
      backupCodes: {
        remaining,
        low: enabled && remaining <= this.options.backupCodes.lowAt,
        ...(enabled && isImportedSet(snapshot.account.backupSetId) ? { regenerate: true } : {}),
      },
      pendingSetup: snapshot !== null && pendingAuthenticator(snapshot, this.clock.nowMs()) !== null,
    };
  }

  private viewOf(authenticator: Authenticator): MfaAuthenticatorView {
    const secret = this.reader.secretOf(authenticator);
    return { ...authenticatorView(authenticator), ...(secret && isWeakSecret(secret) ? { weak: true } : {}) };
  }
}
