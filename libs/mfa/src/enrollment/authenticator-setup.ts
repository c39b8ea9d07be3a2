import { Inject, Injectable } from '@nestjs/common';
import { pendingAuthenticator, type AccountSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { changeAccount } from '../domain/accounts/change-account.js';
import type { Authenticator } from '../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../domain/clock.js';
import { MfaError } from '../domain/mfa-error.js';
import { MfaRandom } from '../domain/random.js';
import { SecretBox } from '../domain/secrets/secret-box.js';
import { generateSecret } from '../domain/totp/totp.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { SecretReader } from '../totp/secret-reader.js';

/** A pending authenticator with its opened secret. */
export interface PendingSetup {
  authenticator: Authenticator;
  secret: Buffer;
}

/** Makes the one pending authenticator of a user, or finds it: setup is idempotent, also in parallel (S14). */
@Injectable()
export class AuthenticatorSetup {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly box: SecretBox,
    private readonly reader: SecretReader,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** The account, made empty where there is none yet. */
  async open(userId: string): Promise<AccountSnapshot> {
    const known = await this.accounts.load(userId);
    if (known) return known;
    await this.accounts.open(userId, this.clock.nowMs());
    const opened = await this.accounts.load(userId);
    // The store found a row whose id is not exactly this one: a colliding collation (S42).
    if (!opened)
      throw new Error(
        'nestjs-mfa: the account row of this user cannot be told from another; check the collation of mfa_account.user_id',
      );
    return opened;
  }

  /**
   * The pending setup that counts, whoever of several callers made it.
   * @param proved the account for which a proof was given: another state of it needs a proof of its own (S12)
   */
  async pend(proved: AccountSnapshot, name: string): Promise<PendingSetup> {
    const { userId } = proved.account;
    const now = await this.accounts.load(userId);
    const existing = now && this.pendingOf(now, proved);
    if (existing) return existing;

    const made = this.make(userId, name);
    // Written first and named by no account, so invisible; the account switches over, or another caller was first.
    await this.authenticators.add(made.authenticator);
    const { after } = await changeAccount(this.accounts, userId, (current) =>
      this.pendingOf(current, proved) ? null : { pendingId: made.authenticator.id },
    );
    if (after.account.pendingId === made.authenticator.id) return made;

    await this.authenticators.remove(userId, [made.authenticator.id]);
    const winner = this.readPending(after);
    if (!winner) throw new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
    return winner;
  }

  /** @throws MfaError `MFA_PROOF_REQUIRED` when the account is no longer the one that was proved for */
  private pendingOf(now: AccountSnapshot, proved: AccountSnapshot): PendingSetup | null {
    const unchanged =
      now.account.epoch === proved.account.epoch && now.account.activeIds.join() === proved.account.activeIds.join();
    if (!unchanged) throw new MfaError('MFA_PROOF_REQUIRED');
    return this.readPending(now);
  }

  /** A pending secret that can no longer be opened is replaced, as an expired one is. */
  private readPending(snapshot: AccountSnapshot): PendingSetup | null {
    const authenticator = pendingAuthenticator(snapshot, this.clock.nowMs());
    const secret = authenticator && this.reader.secretOf(authenticator);
    return authenticator && secret ? { authenticator, secret } : null;
  }

  private make(userId: string, name: string): PendingSetup {
    const id = this.random.id();
    const nowMs = this.clock.nowMs();
    const secret = generateSecret(this.random, this.options.totp.algorithm);
    const { algorithm, digits, periodSeconds } = this.options.totp;
    const authenticator: Authenticator = {
      id,
      userId,
      name,
      secret: this.box.seal(secret, { purpose: 'totp-secret', userId, credentialId: id }),
      algorithm,
      digits,
      periodSeconds,
      createdAtMs: nowMs,
      confirmedAtMs: null,
      lastUsedAtMs: null,
      expiresAtMs: nowMs + this.options.setupLifetimeMs,
      setupBinding: null,
    };
    return { authenticator, secret };
  }
}
