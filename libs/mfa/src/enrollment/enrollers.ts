import { type ExecutionContext, Injectable } from '@nestjs/common';
import { enrollmentHolds, EnrollmentChallenges } from '../challenge/enrollment-challenges.js';
import { ChallengeTokens } from '../challenge/mfa-challenge.js';
import type { EnrollmentClaims } from '../challenge/mfa-token.js';
import type { AccountSnapshot } from '../domain/accounts/account.js';
import type { MfaAccountStore } from '../domain/accounts/account.store.js';
import { openAccount } from '../domain/accounts/open-account.js';
import type { MfaEnrollmentToken } from './enrollment-results.js';
import { MfaError } from '../domain/mfa-error.js';
import { CLOCK_SKEW_MS, type UsageEntry } from '../domain/usage/usage.js';
import type { KnownPrincipal } from '../host/known-principal.js';
import type { MfaPrincipal } from '../host/mfa-host.js';
import { type MfaSessionOf, requirePrincipal, requireSession } from '../host/require-principal.js';
import { sessionBinding, SetupBinding } from '../host/session-binding.js';

/** A login that must enroll a factor before a session is opened. */
export interface EnrollingLogin extends Pick<EnrollmentClaims, 'reason' | 'proved'> {
  /** The usage row that the first accepted proof writes. It ends the token. */
  spend: UsageEntry;
  /** The `state` that was given to `issue()`. */
  state?: unknown;
  /** Whether the token still holds for this account. */
  holds: (snapshot: AccountSnapshot) => boolean;
}

/** Who enrolls a factor: a signed-in user, or the holder of an enrollment token. */
export interface Enroller {
  /** For a token, the user that it names. */
  principal: KnownPrincipal;
  /** Binds the setup to the session or to the token. `null` = the host names no session. */
  binding: string | null;
  /** `null` = a signed-in user. */
  login: EnrollingLogin | null;
}

/** Whether the new factor replaces every other one: after a recovery code. */
export function replacesFactors({ login }: Enroller): boolean {
  return login?.reason === 'recovery';
}

/**
 * Returns the account of the enroller. A signed-in user without an account gets one; a token needs the account that it was
 * signed for, so it brings back no row of a purged user.
 * @throws MfaError `MFA_TOKEN_INVALID`
 */
export async function accountOf(
  accounts: MfaAccountStore,
  { principal, login }: Enroller,
  nowMs: number,
): Promise<AccountSnapshot> {
  if (!login) return openAccount(accounts, principal.userId, nowMs);
  const known = await accounts.load(principal.userId, login.spend.item);
  if (!known || !login.holds(known)) throw new MfaError('MFA_TOKEN_INVALID');
  return known;
}

/**
 * Checks that the token of the enroller holds for this account. A signed-in user needs none.
 * @throws MfaError `MFA_TOKEN_INVALID`
 */
export function requireHolding({ login }: Enroller, snapshot: AccountSnapshot | null): void {
  if (login && !(snapshot && login.holds(snapshot))) throw new MfaError('MFA_TOKEN_INVALID');
}

/** Reads who enrolls. */
@Injectable()
export class Enrollers {
  constructor(
    private readonly enrollments: EnrollmentChallenges,
    private readonly tokens: ChallengeTokens,
    private readonly bindings: SetupBinding,
  ) {}

  /**
   * @param caller the principal, or an enrollment token
   * @param method the method to enroll. `null` = the caller enrolls nothing
   * @throws MfaError `MFA_NOT_AUTHENTICATED` for an unusable principal; `MFA_TOKEN_INVALID` for an unusable token;
   * `MFA_ENROLLMENT_REQUIRED` for a method that the policy does not allow in this login; `MFA_BUSY`
   */
  async of(
    caller: MfaPrincipal | MfaSessionOf | MfaEnrollmentToken,
    method: string | null,
    context?: ExecutionContext,
  ): Promise<Enroller> {
    // What a client left out of the request to an own controller, or sent in another type.
    if (typeof caller !== 'object' || caller === null) throw new MfaError('MFA_NOT_AUTHENTICATED');
    // S48: a value that a client sent is only ever the value of this property.
    if (!('mfa_token' in caller)) {
      const principal = 'accountName' in caller ? requirePrincipal(caller) : requireSession(caller);
      return { principal, binding: this.bindings.of(principal), login: null };
    }
    const { claims, rules, methods } = await this.enrollments.open(caller.mfa_token, context);
    if (method !== null && !methods.includes(method)) throw new MfaError('MFA_ENROLLMENT_REQUIRED', { methods });
    const { userId, tokenId, amr, enrollment, expiresAtMs } = claims;
    const { accountName = userId, issuer, state } = this.tokens.loginOf(claims);
    const principal = { ...requireSession({ userId, amr: amr ?? [] }), accountName, issuer };
    const spend = { kind: 'token', item: tokenId, expiresAtMs: expiresAtMs + CLOCK_SKEW_MS } as const;
    const { reason, proved } = enrollment;
    const login = {
      reason,
      proved,
      spend,
      state,
      holds: (now: AccountSnapshot) => enrollmentHolds(now, claims, rules),
    };
    return { principal, binding: sessionBinding({ sessionId: tokenId, authenticatedAt: undefined }), login };
  }
}
