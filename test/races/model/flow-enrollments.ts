import { expect } from 'vitest';
import {
  MfaAdminService,
  MfaChallengeService,
  MfaEnrollmentService,
  MfaPasskeyService,
  type MfaEnrolledLogin,
  type MfaSetup,
} from 'nestjs-mfa';
import { newKey } from '../../support/passkey-client.js';
import { PolicyHost } from '../../support/policy-host.js';
import { wrongCode } from './flow-commands.js';
import { pended } from './flow-logins.js';
import type { App, Enrollment, Key, Model } from './flow-model.js';
import { addedKey, isOpen } from './flow-passkeys.js';
import { recoveryCode } from './flow-policies.js';
import { outcome, pick, type Real, Step } from './flow-step.js';

type Method = 'totp' | 'passkey';
/** The host of the model does not read the request. */
const NO_CONTEXT = undefined as never;

abstract class EnrollmentStep extends Step {
  abstract readonly method: Method;
  /** @param token 0 = the newest */
  constructor(readonly token: number) {
    super();
  }
  override check(model: Readonly<Model>): boolean {
    return model.enrollments.length > 0;
  }
  protected tokenOf(model: Model): Enrollment {
    return pick(model.enrollments.toReversed(), this.token)!;
  }
  /** Why the token opens nothing (S100). `null` = it holds. */
  protected refusal(model: Model, token: Enrollment, now: number): string | null {
    // The signature and the policy are checked before the account is read.
    if (Math.floor(now) >= Math.floor(token.expiresAt)) return 'MFA_TOKEN_INVALID';
    if (!model.allows(this.method)) return 'MFA_ENROLLMENT_REQUIRED';
    return model.holds(token, now) ? null : 'MFA_TOKEN_INVALID';
  }
  /** The confirmation spent the token, and the host opened the session. */
  protected completed(
    model: Model,
    real: Real,
    { token, factor, confirmed }: { token: Enrollment; factor: { app?: App; key?: Key }; confirmed: MfaEnrolledLogin },
  ): void {
    const { backupCodes, login } = confirmed;
    expect(login).toEqual({ accessToken: expect.any(String) as string });
    const completed = real.host.state.completedLogins.at(-1)!;
    expect(completed).toMatchObject({ userId: real.userId, factor: this.method, enrollmentDueAt: null });
    real.logins.push(completed);
    expect(backupCodes === undefined).toBe(model.isEnabled && token.reason !== 'recovery');
    real.accept(token);
    model.enrolled(factor, token, backupCodes);
  }
}

/** A setup by a token, which the host permits, or refuses, or a recovery code permits. */
export class SetupBy extends EnrollmentStep {
  /** @param by a number = a recovery code; 0 = the newest */
  constructor(
    readonly method: Method,
    token: number,
    readonly by: 'host' | 'nothing' | number,
  ) {
    super(token);
  }
  async run(model: Model, real: Real): Promise<void> {
    const token = this.tokenOf(model);
    PolicyHost.authorizes = () => this.by === 'host';
    const { code, right } = typeof this.by === 'number' ? recoveryCode(model, this.by, real.now) : {};
    const proof = code === undefined ? {} : { code, method: 'recovery_code' };
    let succeed: (() => void) | undefined;
    const result = await outcome(async () => {
      succeed = await this.make(model, real, { token, proof });
    });
    expect(result).toBe(
      this.refusal(model, token, real.now) ?? this.permission(model, token, { right, now: real.now }),
    );
    if (result === 'OK') succeed!();
  }
  private async make(model: Model, real: Real, { token, proof }: { token: Enrollment; proof: object }) {
    const caller = { mfa_token: token.text };
    if (this.method === 'totp') {
      const setup: MfaSetup = await real.get(MfaEnrollmentService).setup(caller, proof);
      return () => pended(model, real, setup, token);
    }
    const { options } = await real.get(MfaPasskeyService).setup(caller, proof);
    const registration = { options, owner: token, expiresAt: real.now + 300, dead: false };
    return () => void model.registrations.push(registration);
  }
  private permission(
    model: Model,
    token: Enrollment,
    { right, now }: { right: boolean | undefined; now: number },
  ): string {
    if (token.proved || token.reason === 'recovery' || token.authorized) return 'OK';
    const fromHost = this.by === 'host' ? 'OK' : 'MFA_PROOF_REQUIRED';
    const result = right === undefined ? fromHost : model.attempt('recovery_code', right, now);
    // Remembered for the life of the token.
    token.authorized = result === 'OK';
    return result;
  }
}

export class ConfirmAppBy extends EnrollmentStep {
  readonly method = 'totp';
  constructor(
    token: number,
    readonly right: boolean,
  ) {
    super(token);
  }
  async run(model: Model, real: Real): Promise<void> {
    const token = this.tokenOf(model);
    const { pending } = model;
    const device = pending?.device;
    const code = !device ? '123456' : this.right ? device.code() : wrongCode(device);
    let confirmed: MfaEnrolledLogin | undefined;
    const result = await outcome(async () => {
      confirmed = await real.get(MfaEnrollmentService).confirm({ mfa_token: token.text }, code, NO_CONTEXT);
    });
    const isOwn = pending?.owner === token && real.now < pending.expiresAt;
    const attempt = () => (isOwn ? model.attempt('confirmation', this.right, real.now) : 'MFA_SETUP_NOT_FOUND');
    expect(result).toBe(this.refusal(model, token, real.now) ?? attempt());
    if (result !== 'OK') return;
    const app = { ...pending!, spent: new Set([real.step]) };
    this.completed(model, real, { token, factor: { app }, confirmed: confirmed! });
  }
}

export class ConfirmKeyBy extends EnrollmentStep {
  readonly method = 'passkey';
  constructor(
    token: number,
    readonly registration: number,
  ) {
    super(token);
  }
  override check(model: Readonly<Model>): boolean {
    return super.check(model) && model.registrations.length > 0;
  }
  async run(model: Model, real: Real): Promise<void> {
    const token = this.tokenOf(model);
    const registration = pick(model.registrations.toReversed(), this.registration)!;
    const authenticator = newKey();
    const passkey = authenticator.create(registration.options);
    let confirmed: MfaEnrolledLogin | undefined;
    const result = await outcome(async () => {
      confirmed = await real.get(MfaPasskeyService).confirm({ mfa_token: token.text }, { passkey }, NO_CONTEXT);
    });
    const response = isOpen(registration, token, real.now) ? 'OK' : 'MFA_CODE_REJECTED';
    expect(result).toBe(this.refusal(model, token, real.now) ?? response);
    if (result !== 'OK') return;
    const key = { id: await addedKey(model, real), credentialId: passkey.id, authenticator, counter: 1 };
    this.completed(model, real, { token, factor: { key }, confirmed: confirmed! });
  }
}

/** Another user presents, by a token of their own, what this user has set up and was issued. */
export class ByAnother extends Step {
  async run(model: Model, real: Real): Promise<void> {
    const other = `${real.userId}-other`;
    await real.get(MfaAdminService).reset(other, { actor: { system: 'model' } });
    const login = await real.get(MfaChallengeService).issue(other, { accountName: other, credentialVersion: null });
    if (!login.enrollmentRequired) expect.fail('after a reset, the login must enroll');
    const caller = { mfa_token: login.mfa_token };
    const rejected = (method: Method, code: string) => (model.allows(method) ? code : 'MFA_ENROLLMENT_REQUIRED');
    const { code } = recoveryCode(model, 0, real.now);
    const apps = real.get(MfaEnrollmentService);
    const setup = await outcome(() => apps.setup(caller, { code, method: 'recovery_code' }));
    expect(setup).toBe(rejected('totp', 'MFA_CODE_REJECTED'));
    const first = model.pending?.device.code() ?? '123456';
    const app = await outcome(() => apps.confirm(caller, first, NO_CONTEXT));
    expect(app).toBe(rejected('totp', 'MFA_SETUP_NOT_FOUND'));
    const registration = model.registrations.at(-1);
    if (!registration) return;
    const passkey = newKey().create(registration.options);
    const key = await outcome(() => real.get(MfaPasskeyService).confirm(caller, { passkey }, NO_CONTEXT));
    expect(key).toBe(rejected('passkey', 'MFA_CODE_REJECTED'));
  }
}
