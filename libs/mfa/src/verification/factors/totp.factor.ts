import { Inject, Injectable } from '@nestjs/common';
import { activeAuthenticators, type AccountSnapshot } from '../../domain/accounts/account.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { isTotpShape } from '../../domain/code.js';
import { spentUntilMs } from '../../domain/totp/replay.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { SecretReader } from '../../totp/secret-reader.js';
import { MfaFactor, type FactorMatch } from '../mfa-factor.js';

/** A code of one of the user's confirmed authenticators (RFC 6238). */
@Injectable()
export class TotpFactor extends MfaFactor {
  readonly method = 'totp';
  readonly amr = ['otp', 'mfa'];

  constructor(
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly reader: SecretReader,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
  }

  recognises(code: string, snapshot: AccountSnapshot): boolean {
    return activeAuthenticators(snapshot).some(({ digits }) => isTotpShape(code, digits));
  }

  async match(code: string, snapshot: AccountSnapshot, nowMs: number): Promise<FactorMatch | null> {
    // Every authenticator is evaluated, whichever matches first.
    const matches = activeAuthenticators(snapshot).map((each) => this.matchOne(code, each, nowMs));
    return matches.find((match) => match !== null) ?? null;
  }

  private matchOne(code: string, authenticator: Authenticator, nowMs: number): FactorMatch | null {
    const step = this.reader.matchStep(authenticator, code, nowMs);
    if (step === null) return null;
    const { id, userId, periodSeconds } = authenticator;
    return {
      entry: {
        kind: 'totp',
        item: `${id}:${step}`,
        expiresAtMs: spentUntilMs({ step, periodSeconds, window: this.options.totp.window }),
      },
      noteUse: (atMs) => this.authenticators.touch(userId, id, atMs),
    };
  }
}
