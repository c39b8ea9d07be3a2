import { Inject, Injectable } from '@nestjs/common';
import { activeAuthenticators, type AccountSnapshot } from '../../domain/accounts/account.js';
import { ORPHAN_GRACE_MS } from '../../domain/accounts/orphan-grace.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../../domain/clock.js';
import { isAnyTotpShape } from '../../domain/code.js';
import {
  Factor,
  type Credential,
  type FactorEvaluation,
  type FactorMatch,
  type FactorState,
  type ProofShape,
} from '../../domain/factors/factor.js';
import { SecretReader } from '../../domain/secrets/secret-box.js';
import { clockSkewSteps, isWeakSecret, matchStep, spentUntilMs } from '../../domain/totp/totp.js';
import type { UsageEntry } from '../../domain/usage/usage.js';
import type { Proof } from '../../domain/verification/proof.js';
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
export class TotpFactor extends Factor {
  readonly method = 'totp';
  override readonly trustsDevices = true;
  readonly budget = 'totp';
  readonly rows = 'authenticators';

  constructor(
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly reader: SecretReader,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
  }

  recognises(proof: Proof): ProofShape | null {
    return proof.kind === 'code' && isAnyTotpShape(proof.code) ? { digits: proof.code.length } : null;
  }

  async evaluate(proof: Proof, { snapshot, nowMs }: FactorState): Promise<FactorEvaluation> {
    if (proof.kind !== 'code') return { match: null };
    const { code } = proof;
    // Every authenticator is compared, also after one has matched.
    const found = activeAuthenticators(snapshot).map((authenticator) => {
      const { step, skewSteps } = this.compare(authenticator, code, nowMs);
      return { match: step === null ? null : this.matchOf(authenticator, step), skewSteps };
    });
    const match = found.find((each) => each.match !== null)?.match ?? null;
    const [skewSteps] = found.flatMap((each) => each.skewSteps ?? []).sort((a, b) => Math.abs(a) - Math.abs(b));
    if (match) return { match };
    return skewSteps === undefined ? { match } : { match, failure: 'clock_skew', skewSteps };
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

  async describe(snapshot: AccountSnapshot): Promise<Credential[]> {
    return activeAuthenticators(snapshot).map((authenticator) => {
      const { id, name, createdAtMs, lastUsedAtMs } = authenticator;
      const secret = this.reader.secretOf(authenticator);
      return { id, name, createdAtMs, lastUsedAtMs, ...(secret && isWeakSecret(secret) ? { weak: true } : {}) };
    });
  }

  async rename(userId: string, id: string, name: string): Promise<boolean> {
    await this.authenticators.rename(userId, id, name);
    return true;
  }

  purge(userId: string): Promise<number> {
    return this.authenticators.removeAll(userId);
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
      use: { rows: 'authenticators', id },
      credential: authenticator,
      amr: ['otp', 'mfa'],
      sealed: [{ purpose: 'totp-secret', userId, credentialId: id, sealed: secret }],
    };
  }
}

function idsOf(authenticators: readonly Authenticator[]): readonly string[] {
  return authenticators.map(({ id }) => id);
}
