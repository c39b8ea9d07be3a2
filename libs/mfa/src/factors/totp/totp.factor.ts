import { Inject, Injectable } from '@nestjs/common';
import {
  activeAuthenticators,
  type AccountSnapshot,
  type VerificationSnapshot,
} from '../../domain/accounts/account.js';
import { ORPHAN_GRACE_MS } from '../../domain/accounts/orphan-grace.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../../domain/clock.js';
import { isAnyTotpShape } from '../../domain/code.js';
import { MfaFactor, type CodeShape, type FactorEvaluation, type FactorMatch } from '../../domain/factors/mfa-factor.js';
import { SecretReader } from '../../domain/secrets/secret-box.js';
import { clockSkewSteps, matchStep, spentUntilMs } from '../../domain/totp/totp.js';
import type { UsageEntry } from '../../domain/usage/usage.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';

/** The result of comparing one code with one authenticator. */
export interface TotpEvaluation {
  /** The time step within the window whose code this is; `null` for a wrong code. */
  step: number | null;
  /** For a wrong code that is right by another clock: how many steps that clock is ahead (negative: behind). */
  skewSteps: number | null;
}

/** A code of one of the user's confirmed authenticators (RFC 6238). */
@Injectable()
export class TotpFactor extends MfaFactor {
  readonly method = 'totp';
  readonly amr = ['otp', 'mfa'];

  constructor(
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly reader: SecretReader,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
  }

  recognises(code: string): CodeShape | null {
    return isAnyTotpShape(code) ? { digits: code.length } : null;
  }

  async evaluate(code: string, snapshot: VerificationSnapshot, nowMs: number): Promise<FactorEvaluation> {
    // Every authenticator is compared, also after one has matched.
    const found = activeAuthenticators(snapshot).map((authenticator) => {
      const { step, skewSteps } = this.compare(authenticator, code, nowMs);
      return { match: step === null ? null : this.matchOf(authenticator, step), skewSteps };
    });
    const match = found.find((each) => each.match !== null)?.match ?? null;
    const [skewSteps] = found.flatMap((each) => each.skewSteps ?? []).sort((a, b) => Math.abs(a) - Math.abs(b));
    return match || skewSteps === undefined ? { match } : { match, skewSteps };
  }

  /** Compares a code with those of one authenticator. Every wrong code takes the same time. */
  compare(authenticator: Authenticator, code: string, nowMs: number): TotpEvaluation {
    const secret = this.reader.secretOf(authenticator);
    if (!secret) return { step: null, skewSteps: null };
    const request = { secret, code, parameters: authenticator, window: this.options.totp.window, nowMs };
    const step = matchStep(request);
    return { step, skewSteps: step === null ? clockSkewSteps(request) : null };
  }

  /** The usage row that spending a time step writes. */
  entryOf({ id, periodSeconds }: Authenticator, step: number): UsageEntry {
    const expiresAtMs = spentUntilMs({ step, periodSeconds, window: this.options.totp.window });
    return { kind: 'totp', item: `${id}:${step}`, expiresAtMs };
  }

  async startGrace({ account, authenticators }: AccountSnapshot, ids = idsOf(authenticators)): Promise<void> {
    if (ids.length === 0) return;
    await this.authenticators.collectAfter(account.userId, ids, this.clock.nowMs() + ORPHAN_GRACE_MS);
  }

  async forget({ account, authenticators }: AccountSnapshot, ids = idsOf(authenticators)): Promise<void> {
    if (ids.length > 0) await this.authenticators.remove(account.userId, ids);
  }

  private matchOf(authenticator: Authenticator, step: number): FactorMatch {
    const { id, userId, secret } = authenticator;
    return {
      entry: this.entryOf(authenticator, step),
      credentialId: id,
      sealed: [{ purpose: 'totp-secret', userId, credentialId: id, sealed: secret }],
    };
  }
}

function idsOf(authenticators: readonly Authenticator[]): readonly string[] {
  return authenticators.map(({ id }) => id);
}
