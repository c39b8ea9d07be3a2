import { Injectable } from '@nestjs/common';
import { MfaChallenge } from '../challenge/mfa-challenge.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { CLOCK_SKEW_MS } from '../domain/totp/replay.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaStepUp } from '../host/mfa-host.js';
import { toUserId } from '../host/user-id.js';
import { CodeSpending } from './code-spending.js';

/** Spends one code: for a login's second step, or for a step-up. Call it outside a database transaction. */
@Injectable()
@ThrowsMfaException()
export class MfaVerificationService {
  constructor(
    private readonly spending: CodeSpending,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Completes the login that `challenge` stands for: code and mfa_token are spent together or not at all.
   * Whether the token is still unspent is checked here, whenever the challenge was made. Issuing the session is the caller's (the built-in route calls `MfaHost.completeLogin`).
   * @throws MfaException `MFA_TOKEN_INVALID`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BUSY`, `MFA_BAD_REQUEST`
   */
  async verify(challenge: MfaChallenge, code: string): Promise<MfaStepUp> {
    const { userId, tokenId, epoch, expiresAtMs } = MfaChallenge.claimsOf(challenge);
    // A caller may have kept the challenge for longer than the token lives, and than its spending is remembered (S40).
    if (this.clock.nowMs() >= expiresAtMs) throw new MfaError('MFA_TOKEN_INVALID');
    // Remembered for longer than the token lives, by the clock of any instance (S34).
    const token = { kind: 'token', item: tokenId, expiresAtMs: expiresAtMs + CLOCK_SKEW_MS } as const;
    return this.spending.spend({ userId, epoch, token }, code);
  }

  /**
   * A signed-in user proves the second factor again. `amr` is what was proved now; add the session's own.
   * @throws MfaException `MFA_NOT_ENABLED`, and as `verify`
   */
  async stepUp(userId: string | number, code: string): Promise<MfaStepUp> {
    const id = toUserId(userId);
    if (id === null) throw new MfaError('MFA_NOT_ENABLED');
    return this.spending.spend({ userId: id }, code);
  }
}
