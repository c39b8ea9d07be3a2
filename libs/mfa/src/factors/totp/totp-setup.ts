import { type AccountSnapshot, formatActiveFactors, pendingAuthenticator } from '../../domain/accounts/account.js';
import { Inject, Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../../domain/accounts/account.store.js';
import { changeAccount, type DecidedChange } from '../../domain/accounts/change-account.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { MfaClock } from '../../domain/clock.js';
import { busyError, isMfaError, MfaError, type MfaRequiredProof } from '../../domain/mfa-error.js';
import { MfaRandom } from '../../domain/random.js';
import { SecretBox, SecretReader } from '../../domain/secrets/secret-box.js';
import { generateSecret } from '../../domain/totp/totp.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';
import { accountOf, type Enroller, requireHolding } from '../../enrollment/enrollers.js';
import { ReauthenticationCheck } from '../../enrollment/reauthentication-check.js';
import { tidyUp } from '../../events/tidy-up.js';

/** A pending authenticator with its opened secret. */
export interface PendingSetup {
  authenticator: Authenticator;
  secret: Buffer;
}

export interface SetupRequest {
  /** The account as it was when the request began. The proof was given for this state of it. */
  // S12
  proved: AccountSnapshot;
  /** The proofs that were needed then. */
  needed: readonly MfaRequiredProof[];
  name: string;
  /** Binds the setup to the session or to the token. */
  binding: string | null;
  /** Whether a login enrolls, by its token. */
  isLogin: boolean;
}

/** The setup of one session. */
export interface OpenSetup extends PendingSetup {
  /** Whether it was under way already: this request changed nothing. */
  resumed: boolean;
  /** The authenticator whose setup this one replaced; to be removed once the new one was delivered. */
  replacedId: string | null;
}

/** Makes, finds and cancels the one pending authenticator of a user. Setup is idempotent within one session. */
// S14, S79
@Injectable()
export class TotpSetup {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly authenticators: MfaAuthenticatorStore,
    private readonly box: SecretBox,
    private readonly reader: SecretReader,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    private readonly proof: ReauthenticationCheck,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * The account of the enroller.
   * @throws MfaError `MFA_TOKEN_INVALID`
   */
  open(enroller: Enroller): Promise<AccountSnapshot> {
    return accountOf(this.accounts, enroller, this.clock.nowMs());
  }

  /**
   * Returns the pending setup of this session, or makes one that replaces any other.
   * @throws MfaError `MFA_BUSY` when another session was first; `MFA_PROOF_REQUIRED` when the factors changed meanwhile, for a
   * login `MFA_TOKEN_INVALID`
   */
  async pend(request: SetupRequest): Promise<OpenSetup> {
    const { userId } = request.proved.account;
    const now = await this.accounts.load(userId);
    const known = now && this.sharedSetup(now, request);
    if (known) return { ...known, resumed: true, replacedId: null };

    const made = this.make(userId, request);
    const { id } = made.authenticator;
    const discard = () => this.discard(userId, id);
    // Written first. No account names it, so it is invisible until the commit.
    await this.authenticators.add(made.authenticator);
    const { before, after } = await changeAccount(
      this.accounts,
      userId,
      (current) => this.decide(current, request, made),
      'MFA_PROOF_REQUIRED',
    ).catch(async (error: unknown) => {
      // `MFA_BUSY` and an error of the database leave open whether it was committed: then the row stays until it expires.
      if (isMfaError(error) && error.code !== 'MFA_BUSY') await discard();
      throw error;
    });
    if (after.account.pendingId === id) return this.opened(made, before.account.pendingId);

    await discard();
    const shared = this.sharedSetup(after, request);
    if (!shared) throw busyError();
    return { ...shared, resumed: true, replacedId: null };
  }

  /**
   * Ends the pending setup of this session or token.
   * @throws MfaError `MFA_SETUP_NOT_FOUND` when there is none, or when it is another session's; `MFA_TOKEN_INVALID`
   */
  async cancel(enroller: Enroller): Promise<Authenticator> {
    const { principal, binding } = enroller;
    let cancelled: Authenticator | null = null;
    const decide = (current: AccountSnapshot): DecidedChange => {
      requireHolding(enroller, current);
      cancelled = pendingAuthenticator(current, this.clock.nowMs());
      if (cancelled?.setupBinding !== binding) throw new MfaError('MFA_SETUP_NOT_FOUND');
      return { pendingId: null, lastChange: null };
    };
    await changeAccount(this.accounts, principal.userId, decide, 'MFA_SETUP_NOT_FOUND');
    return cancelled!;
  }

  /** Removes the row of a setup that ended. What stays is collected when it expires. */
  async discard(userId: string, id: string | null): Promise<void> {
    if (id !== null) await tidyUp(() => this.authenticators.remove(userId, [id]));
  }

  private decide(current: AccountSnapshot, request: SetupRequest, made: PendingSetup): DecidedChange | null {
    if (this.sharedSetup(current, request)) return null;
    // While this request waited, the row may have expired and been collected.
    const { id } = made.authenticator;
    if (!current.authenticators.some((row) => row.id === id) || this.isExpired(made)) throw busyError();
    return { pendingId: id, lastChange: null };
  }

  private opened(made: PendingSetup, replacedId: string | null): OpenSetup {
    if (this.isExpired(made)) throw busyError();
    return { ...made, resumed: false, replacedId };
  }

  private isExpired({ authenticator }: PendingSetup): boolean {
    return this.clock.nowMs() >= authenticator.expiresAtMs!;
  }

  /**
   * The pending setup that this request shares, or `null` when it may replace what there is. A session shares only
   * its own setup. Without session ids, a request shares only a setup that was made since it began.
   * @throws MfaError `MFA_BUSY` when another session's setup was made since this request began: a lost race;
   * `MFA_PROOF_REQUIRED` when the account is not the one that was proved any more
   */
  private sharedSetup(current: AccountSnapshot, request: SetupRequest): PendingSetup | null {
    const { proved, binding } = request;
    const { securityStamp, activeFactors, pendingId } = current.account;
    const unchanged =
      securityStamp === proved.account.securityStamp &&
      formatActiveFactors(activeFactors) === formatActiveFactors(proved.account.activeFactors);
    if (!unchanged) throw this.changed(current, request);
    const pending = this.readPending(current);
    if (!pending) return null;
    const madeBefore = pendingId === proved.account.pendingId;
    const owner = pending.authenticator.setupBinding;
    if (owner === binding && (binding !== null || !madeBefore)) return pending;
    if (madeBefore) return null;
    throw busyError();
  }

  private changed(current: AccountSnapshot, { needed, isLogin }: SetupRequest): MfaError {
    if (isLogin) return new MfaError('MFA_TOKEN_INVALID');
    const { activeFactors } = current.account;
    return new MfaError('MFA_PROOF_REQUIRED', {
      proof: activeFactors.length > 0 ? this.proof.secondFactors(current) : needed,
    });
  }

  /** A pending secret that can no longer be opened is replaced, as an expired one is. */
  private readPending(snapshot: AccountSnapshot): PendingSetup | null {
    const authenticator = pendingAuthenticator(snapshot, this.clock.nowMs());
    const secret = authenticator && this.reader.secretOf(authenticator);
    return authenticator && secret ? { authenticator, secret } : null;
  }

  private make(userId: string, { name, binding }: SetupRequest): PendingSetup {
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
      setupBinding: binding,
    };
    return { authenticator, secret };
  }
}
