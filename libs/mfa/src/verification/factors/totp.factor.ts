import { Inject, Injectable } from '@nestjs/common';
import { activeAuthenticators } from '../../domain/accounts/account.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { isAnyTotpShape } from '../../domain/code.js';
import { spentUntilMs } from '../../domain/totp/replay.js';
import type { VerificationSnapshot } from '../../domain/verification/verification.store.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { SecretReader } from '../../totp/secret-reader.js';
import { MfaFactor, type CodeShape, type FactorMatch } from '../mfa-factor.js';

/** A code of one of the user's confirmed authenticators (RFC 6238). */
@Injectable()
export class TotpFactor extends MfaFactor {
  readonly method = 'totp';
  readonly amr = ['otp', 'mfa'];

  constructor(
    private readonly reader: SecretReader,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
  }

  recognises(code: string): CodeShape | null {
    return isAnyTotpShape(code) ? { digits: code.length } : null;
  }

  async match(code: string, snapshot: VerificationSnapshot, nowMs: number): Promise<FactorMatch | null> {
    // Every authenticator is evaluated, whichever matches first.
    const matches = activeAuthenticators(snapshot).map((each) => this.matchOne(code, each, nowMs));
    return matches.find((match) => match !== null) ?? null;
  }

  private matchOne(code: string, authenticator: Authenticator, nowMs: number): FactorMatch | null {
    const step = this.reader.matchStep(authenticator, code, nowMs);
    if (step === null) return null;
    const { id, userId, secret, periodSeconds } = authenticator;
    return {
      entry: {
        kind: 'totp',
        item: `${id}:${step}`,
        expiresAtMs: spentUntilMs({ step, periodSeconds, window: this.options.totp.window }),
      },
      credentialId: id,
      sealed: [{ purpose: 'totp-secret', userId, credentialId: id, sealed: secret }],
    };
  }
}
