import { Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { activeFactorOf, type MfaAccount } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { loadEnabled } from '../domain/accounts/load-enabled.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { MfaError } from '../domain/mfa-error.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { eventAuthenticator, MfaEvents } from '../events/mfa-events.js';
import type { MfaPrincipal } from '../host/mfa-host.js';
import { type MfaSessionOf, requirePrincipal, requireSession } from '../host/require-principal.js';
import { LoginPolicies } from '../policy/login-policies.js';
import { AppEnrollment } from './app-enrollment.js';
import { FactorEnrollment, type MfaFactorActivation } from './factor-enrollment.js';
import { readName } from './authenticator-name.js';
import { AuthenticatorRemoval } from './authenticator-removal.js';
import { authenticatorView, type MfaAuthenticatorView } from './authenticator-view.js';
import type {
  MfaConfirmation,
  MfaEnrolledLogin,
  MfaRemoval,
  MfaSetup,
  MfaEnrollmentToken,
} from './enrollment-results.js';
import { ReauthenticationCheck, type MfaReauthenticationProof } from './reauthentication-check.js';

/**
 * Adds, confirms, renames and removes authenticators of a user. Call it outside your database transactions.
 * @example
 * const { qrCode, manualKey } = await this.enrollment.setup(principal, { password });
 * // After the user has typed the first code:
 * const { backupCodes } = await this.enrollment.confirm(principal, code);
 */
@Injectable()
@ThrowsMfaException()
export class MfaEnrollmentService {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly app: AppEnrollment,
    private readonly own: FactorEnrollment,
    private readonly proof: ReauthenticationCheck,
    private readonly removal: AuthenticatorRemoval,
    private readonly policies: LoginPolicies,
    private readonly events: MfaEvents,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
  ) {}

  /**
   * Starts a setup. If this session has already started one, returns it again: same secret, expiry and name.
   * @param caller the principal, or `{ mfa_token }` of a login that must enroll
   * @throws MfaException `MFA_TOKEN_INVALID`, `MFA_ENROLLMENT_REQUIRED` for such a token; `MFA_PROOF_REQUIRED`, `MFA_TOO_MANY_AUTHENTICATORS` if the user has `enrollment.maxAuthenticators`,
   * `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BAD_REQUEST`, `MFA_BUSY` (also if another session was first)
   */
  setup(
    caller: MfaPrincipal | MfaEnrollmentToken,
    request: MfaReauthenticationProof & { name?: string } = {},
    context?: ExecutionContext,
  ): Promise<MfaSetup> {
    return this.app.setup(caller, request, context);
  }

  /**
   * Cancels the setup that this session has started.
   * @throws MfaException `MFA_SETUP_NOT_FOUND` if there is none, or another session started it; `MFA_BUSY`
   */
  cancelSetup(caller: MfaSessionOf | MfaEnrollmentToken, context?: ExecutionContext): Promise<void> {
    return this.app.cancelSetup(caller, context);
  }

  /**
   * Confirms the setup of this session by its first code. The code is spent, so it cannot be used again. With `{ mfa_token }`
   * of a login that must enroll, it also spends the token and clears its cookie, calls `MfaHost.completeLogin`, and returns
   * its result as `login`.
   * @throws MfaException `MFA_TOKEN_INVALID`, `MFA_ENROLLMENT_REQUIRED` for such a token; `MFA_SETUP_NOT_FOUND` if there is none, or another session started it;
   * `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BAD_REQUEST`, `MFA_BUSY`
   */
  confirm(principal: MfaSessionOf, code: string, context?: ExecutionContext): Promise<MfaConfirmation>;
  confirm(token: MfaEnrollmentToken, code: string, context: ExecutionContext): Promise<MfaEnrolledLogin>;
  confirm(
    caller: MfaSessionOf | MfaEnrollmentToken,
    code: string,
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin> {
    return this.app.confirm(caller, code, context);
  }

  /**
   * Makes a credential of a factor of the host count: names it in the account row, and creates backup codes if the user
   * has none. Store the credential first, with a proof that it works; the module deletes nothing if this throws.
   * @param caller the principal, or `{ mfa_token }` of a login that must enroll
   * @returns `backupCodes`: the new codes, to show once; `stepUp`: for the session that enrolled; `login`: with a token, the
   * result of `MfaHost.completeLogin`
   * @throws MfaException `MFA_PROOF_REQUIRED`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_TOO_MANY_AUTHENTICATORS` above 40
   * authenticators, `MFA_BAD_REQUEST` for a name that cannot be used or a credential that is active already, `MFA_BUSY`;
   * TypeError for an unknown `type` or an unusable `id`
   */
  activate(
    principal: MfaPrincipal,
    credential: MfaFactorActivation,
    proof?: MfaReauthenticationProof,
    context?: ExecutionContext,
  ): Promise<MfaConfirmation>;
  activate(
    token: MfaEnrollmentToken,
    credential: MfaFactorActivation,
    proof: MfaReauthenticationProof,
    context: ExecutionContext,
  ): Promise<MfaEnrolledLogin>;
  activate(
    caller: MfaPrincipal | MfaEnrollmentToken,
    credential: MfaFactorActivation,
    proof: MfaReauthenticationProof = {},
    context?: ExecutionContext,
  ): Promise<MfaConfirmation | MfaEnrolledLogin> {
    return this.own.activate(caller, credential, proof, context);
  }

  /**
   * Disables MFA: removes every authenticator and backup code of the user, and makes all mfa_tokens invalid.
   * @returns `session`: the result of `MfaHost.revokeSessions`
   * @throws MfaException `MFA_REQUIRED_BY_POLICY`, `MFA_NOT_ENABLED`, `MFA_PROOF_REQUIRED`, `MFA_CODE_REJECTED`, `MFA_LOCKED`, `MFA_BUSY`
   */
  // S59
  async disable(
    principal: MfaPrincipal,
    offered: MfaReauthenticationProof,
    context?: ExecutionContext,
  ): Promise<{ enabled: false; session?: unknown }> {
    const { userId, sessionId, ...owner } = requirePrincipal(principal);
    const snapshot = await loadEnabled(this.accounts, userId);
    await this.policies.requireRemovable(snapshot.account, [], context);
    await this.proof.forDisabling(snapshot, { ...owner, userId, sessionId }, { ...offered, context });
    const event = this.events.prepare({ type: 'mfa.disabled', userId }, context);
    const removal = await this.removal.all(userId, event, { proved: snapshot });
    const session = await this.events.changed(event, { enabled: false, sessionId, context });
    await removal.tidyUp();
    return { enabled: false, ...(session === undefined ? {} : { session }) };
  }

  /**
   * Removes one authenticator, and makes all mfa_tokens of the user invalid. Removing the last one disables MFA.
   * @returns `removed`: the removed authenticator; `session`: the result of `MfaHost.revokeSessions`
   * @throws MfaException `MFA_AUTHENTICATOR_NOT_FOUND`, and like {@link disable}
   */
  async remove(
    principal: MfaPrincipal,
    id: string,
    offered: MfaReauthenticationProof,
    context?: ExecutionContext,
  ): Promise<MfaRemoval> {
    const owner = requirePrincipal(principal);
    const { userId, sessionId } = owner;
    const snapshot = await loadEnabled(this.accounts, userId);
    const factor = this.factorOf(snapshot.account, id);
    if (!factor) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
    const left = snapshot.account.activeFactors.filter((each) => each.id !== id);
    await this.policies.requireRemovable(snapshot.account, left, context);
    const row = (await factor.describe(snapshot)).find((each) => each.id === id);
    await this.proof.bySecondFactor(snapshot, owner, { ...offered, context });
    const removed = row && eventAuthenticator(factor.method, row);
    const removal = await this.removal.one(id, snapshot, (anyLeft) => {
      const type = anyLeft ? 'mfa.authenticator.removed' : 'mfa.disabled';
      return this.events.prepare({ type, userId, ...(removed && { authenticator: removed }) }, context);
    });
    const { anyLeft, event } = removal;
    const session = await this.events.changed(event, { enabled: anyLeft, sessionId, context });
    await removal.tidyUp();
    return { enabled: anyLeft, ...(removed && { removed }), ...(session === undefined ? {} : { session }) };
  }

  /**
   * Renames a confirmed authenticator.
   * @returns the authenticator with its new name
   * @throws MfaException `MFA_AUTHENTICATOR_NOT_FOUND`, `MFA_BAD_REQUEST`
   */
  async rename(
    principal: Pick<MfaPrincipal, 'userId'>,
    id: string,
    name: string,
    context?: ExecutionContext,
  ): Promise<MfaAuthenticatorView> {
    const { userId } = requireSession(principal);
    const snapshot = await this.accounts.load(userId);
    const factor = snapshot && this.factorOf(snapshot.account, id);
    const found = factor && (await factor.describe(snapshot)).find((each) => each.id === id);
    if (!found) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
    const renamed = { ...found, name: readName(name) };
    const authenticator = eventAuthenticator(factor.method, renamed);
    const draft = { type: 'mfa.authenticator.renamed', userId, authenticator, previousName: found.name } as const;
    const rename = async () => {
      if (!(await factor.rename(userId, id, renamed.name))) throw new MfaError('MFA_AUTHENTICATOR_NOT_FOUND');
    };
    await this.events.around(draft, rename, context);
    return authenticatorView(factor.method, renamed);
  }

  private factorOf(account: MfaAccount, id: string): Factor | undefined {
    const type = activeFactorOf(account, id)?.type;
    return this.factors.find(({ method }) => method === type);
  }
}
