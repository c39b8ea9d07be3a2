import { Inject, Injectable } from '@nestjs/common';
import { activeAuthenticators, type VerificationSnapshot } from '../../domain/accounts/account.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { isAnyTotpShape } from '../../domain/code.js';
import { spentUntilMs } from '../../domain/totp/replay.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { SecretReader } from '../../totp/secret-reader.js';
import { MfaFactor, type CodeShape, type FactorEvaluation, type FactorMatch } from '../mfa-factor.js';

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

  async evaluate(code: string, snapshot: VerificationSnapshot, nowMs: number): Promise<FactorEvaluation> {
    // Every authenticator is evaluated, whichever matches first.
    const found = activeAuthenticators(snapshot).map((authenticator) => {
      const { step, skewSteps } = this.reader.evaluate(authenticator, code, nowMs);
      return { match: step === null ? null : this.matchOf(authenticator, step), skewSteps };
    });
    const match = found.find((each) => each.match !== null)?.match ?? null;
    const [skewSteps] = found.flatMap((each) => each.skewSteps ?? []).sort((a, b) => Math.abs(a) - Math.abs(b));
    return match || skewSteps === undefined ? { match } : { match, skewSteps };
  }

  private matchOf({ id, userId, secret, periodSeconds }: Authenticator, step: number): FactorMatch {
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
