import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { activeIdsOf, type AccountSnapshot, type VerificationSnapshot } from '../../domain/accounts/account.js';
import { ORPHAN_GRACE_MS } from '../../domain/accounts/orphan-grace.js';
import { MfaClock } from '../../domain/clock.js';
import {
  Factor,
  type Credential,
  type FactorEvaluation,
  type FactorState,
  type PreparationRequest,
  type ProofShape,
} from '../../domain/factors/factor.js';
import { MfaError } from '../../domain/mfa-error.js';
import type { Passkey } from '../../domain/passkeys/passkey.js';
import { MfaPasskeyStore } from '../../domain/passkeys/passkey.store.js';
import { MfaRandom } from '../../domain/random.js';
import { CLOCK_SKEW_MS, type UsageEntry } from '../../domain/usage/usage.js';
import { MfaUsageStore } from '../../domain/usage/usage.store.js';
import type { Proof, ProofBinding } from '../../domain/verification/proof.js';
import type { CredentialUse } from '../../domain/verification/verification.store.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { requirePasskeys, type ResolvedPasskeys } from '../../options/resolve-passkeys.js';
import {
  passkeyAssertionOptions,
  verifyPasskeyAssertion,
  type VerifiedPasskeyAssertion,
} from './passkey-ceremonies.js';
import type { MfaPasskeyRequestOptions } from './passkey-ceremony-options.js';
import { readAssertion } from './passkey-response.js';
import { counterVerdict, passkeyAmr } from './passkey-rules.js';
import { type CheckedWebAuthnChallenge, type WebAuthnClaim, WebAuthnChallenges } from './webauthn-challenge.js';

/** The options of an assertion, with the time until which its WebAuthn challenge is accepted. */
export interface MfaPasskeyOptionsResult {
  /** For `navigator.credentials.get`. */
  options: MfaPasskeyRequestOptions;
  expiresAt: Date;
}

/** One of the user's passkeys or security keys (WebAuthn Level 3). */
@Injectable()
export class PasskeyFactor extends Factor {
  readonly method = 'passkey';
  override readonly trustsDevices = true;
  /** A signature cannot be guessed, and a failed one must not lock the owner out. */
  readonly budget = null;
  readonly rows = 'passkeys';
  override readonly enabled: boolean;
  override readonly protectsChanges: boolean;

  constructor(
    private readonly passkeys: MfaPasskeyStore,
    private readonly usage: MfaUsageStore,
    private readonly challenges: WebAuthnChallenges,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    super();
    this.enabled = options.passkeys !== null;
    // An instance without the option, during a roll-out, must not accept a weaker proof (S84).
    this.protectsChanges = options.passkeys?.protectChanges ?? true;
  }

  recognises(proof: Proof): ProofShape | null {
    if (proof.kind !== 'passkey' || !this.enabled) return null;
    return { credentialHash: credentialHash(readAssertion(proof.passkey).id) };
  }

  async evaluate(proof: Proof, { snapshot, binding, nowMs }: FactorState): Promise<FactorEvaluation> {
    const [passkey] = activePasskeys(snapshot, snapshot.passkeys);
    if (proof.kind !== 'passkey' || !passkey) return { match: null };
    const claim = this.claimOf(snapshot, binding);
    const verified = await verifyPasskeyAssertion(readAssertion(proof.passkey), {
      party: this.party,
      passkey: {
        ...passkey,
        publicKey: Buffer.from(passkey.publicKey, 'base64url'),
        userHandle: handleOf(snapshot),
      },
      checkChallenge: (challenge) => this.challenges.check(challenge, claim, nowMs),
    });
    return verified ? this.compareCounter(passkey, verified) : { match: null };
  }

  override async prepare(
    snapshot: VerificationSnapshot,
    { binding, expiresAtMs }: PreparationRequest,
  ): Promise<MfaPasskeyOptionsResult> {
    const nowMs = this.clock.nowMs();
    const claim = this.claimOf(snapshot, binding);
    const challenge = this.challenges.issue(claim, { nowMs, expiresAtMs, random: this.random });
    const [first, ...others] = activePasskeys(snapshot, snapshot.passkeys);
    // The account names a passkey whose row is gone.
    if (!first) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
    const allow = [first, ...others] as const;
    const options = await passkeyAssertionOptions(this.party, { challenge, timeoutMs: expiresAtMs - nowMs, allow });
    return { options, expiresAt: new Date(expiresAtMs) };
  }

  async describe(snapshot: AccountSnapshot): Promise<Credential[]> {
    return activePasskeys(snapshot, await this.passkeys.list(snapshot.account.userId));
  }

  async rename(userId: string, id: string, name: string): Promise<boolean> {
    await this.passkeys.rename(userId, id, name);
    return true;
  }

  async startGrace({ account }: AccountSnapshot, ids = idsOf(account)): Promise<void> {
    if (ids.length === 0) return;
    await this.passkeys.collectAfter(account.userId, ids, this.clock.nowMs() + ORPHAN_GRACE_MS);
  }

  /** The rows go at once, so that a removed key can be registered again. */
  // S81
  async forget({ account }: AccountSnapshot, ids = idsOf(account)): Promise<void> {
    if (ids.length > 0) await this.passkeys.remove(account.userId, ids);
  }

  purge(userId: string): Promise<number> {
    return this.passkeys.removeAll(userId);
  }

  private get party(): ResolvedPasskeys {
    return requirePasskeys(this.options);
  }

  private claimOf({ account }: AccountSnapshot, { purpose, binding }: ProofBinding): WebAuthnClaim {
    const { userId, securityStamp } = account;
    return { purpose, userId, securityStamp, binding, rpId: this.party.rpId, state: '' };
  }

  // S83
  private async compareCounter(passkey: Passkey, verified: VerifiedPasskeyAssertion): Promise<FactorEvaluation> {
    const { counter: received, challenge, backedUp, userVerified } = verified;
    const { id, userId, counter: stored, backupEligible } = passkey;
    const verdict = counterVerdict({ stored, received, backupEligible });
    const entry = webAuthnEntry(challenge);
    if (verdict === 'clone') {
      // The same response, sent again, has an old counter, too.
      const isRepeated = await this.usage.has(userId, entry);
      return {
        match: null,
        ...(isRepeated ? { failure: 'already_spent' } : { failure: 'clone_suspected', credential: passkey }),
      };
    }
    const counter = { from: verdict === 'record' ? null : stored, to: received };
    const use: CredentialUse = { rows: 'passkeys', id, counter, backedUp, userVerified };
    return { match: { entry, use, credential: passkey, amr: passkeyAmr({ backupEligible }), sealed: [] } };
  }
}

/** SHA-256 (hex) of a credential id in base64url. */
export function credentialHash(credentialId: string): string {
  return createHash('sha256').update(Buffer.from(credentialId, 'base64url')).digest('hex');
}

/** The usage row that spends a WebAuthn challenge. It is kept longer than any instance accepts the challenge. */
// S80
export function webAuthnEntry({ item, expiresAtMs }: CheckedWebAuthnChallenge): UsageEntry {
  return { kind: 'webauthn', item, expiresAtMs: expiresAtMs + CLOCK_SKEW_MS };
}

/** The passkeys that the account names, in its order. */
export function activePasskeys({ account }: AccountSnapshot, passkeys: readonly Passkey[]): Passkey[] {
  const ids = idsOf(account);
  return passkeys.filter(({ id }) => ids.includes(id)).sort((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
}

const idsOf = ({ activeFactors }: AccountSnapshot['account']): readonly string[] =>
  activeIdsOf('passkey', activeFactors);

function handleOf({ account: { userHandle } }: AccountSnapshot): Uint8Array | null {
  return userHandle === null ? null : Buffer.from(userHandle, 'base64url');
}
