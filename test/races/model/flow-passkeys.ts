import { expect } from 'vitest';
import {
  MfaEnrollmentService,
  MfaPasskeyService,
  MfaStatusService,
  MfaVerificationService,
  type MfaChallengeResult,
} from 'nestjs-mfa';
import { PASSWORD } from '../../support/host-app.js';
import { newKey } from '../../support/passkey-client.js';
import { CHANGES, MOST_KEYS } from './flow-changes.js';
import { passed } from './flow-logins.js';
import type { Assertion, LoginToken, Model, Owner, Purpose, Registration } from './flow-model.js';
import { outcome, pick, type Real, sign, Step } from './flow-step.js';

export class SetupKey extends Step {
  override check = (model: Readonly<Model>) => !model.isEnabled;
  async run(model: Model, real: Real): Promise<void> {
    let succeed: (() => void) | undefined;
    const result = await outcome(async () => {
      succeed = await CHANGES['set up a key'].make(real, { password: PASSWORD }, model);
    });
    // After a reset, only a login enrolls (S102).
    expect(result).toBe(model.mustEnroll ? 'MFA_ENROLLMENT_REQUIRED' : 'OK');
    if (!succeed) return;
    model.recovery = null;
    succeed();
  }
}

/**
 * Answers any registration with a new key, or with one whose credential id is registered or was removed: that of the key of
 * an assertion, counted from the newest.
 */
export class ConfirmKey extends Step {
  constructor(
    readonly registration: number,
    readonly synced: boolean,
    readonly twinOf: number | null,
    readonly elsewhere: boolean,
  ) {
    super();
  }
  override check = (model: Readonly<Model>) => model.registrations.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const registration = pick(model.registrations.toReversed(), this.registration)!;
    const authenticator = newKey({ synced: this.synced });
    const twin = this.twinOf === null ? undefined : pick(model.assertions.toReversed(), this.twinOf)?.key.credentialId;
    const passkey = authenticator.create(registration.options, twin === undefined ? {} : { credentialId: twin });
    const principal = this.elsewhere ? real.elsewhere : real.principal;
    let fresh: string[] | undefined;
    const result = await outcome(async () => {
      fresh = (await real.get(MfaPasskeyService).confirm(principal, { passkey })).backupCodes;
    });
    const isAlive = isOpen(registration, 'session', real.now) && !this.elsewhere;
    const isTaken = model.keys.some(({ credentialId }) => credentialId === passkey.id);
    expect(result).toBe(isAlive && !isTaken ? 'OK' : 'MFA_CODE_REJECTED');
    if (result !== 'OK') return;
    // Made once, with the first factor (S19).
    expect(fresh === undefined).toBe(model.isEnabled);
    const counter = this.synced ? null : 1;
    const key = { id: await addedKey(model, real), credentialId: passkey.id, authenticator, counter };
    model.enrolled({ key }, 'session', fresh);
  }
}

/** Whether this owner of a registration may confirm it. */
export function isOpen({ owner, dead, expiresAt }: Registration, by: Owner, now: number): boolean {
  return owner === by && !dead && now < expiresAt;
}

/** The id of the one passkey that the model does not know. */
export async function addedKey(model: Model, real: Real): Promise<string> {
  const { authenticators } = await real.get(MfaStatusService).status(real.principal);
  const known = new Set(model.keys.map(({ id }) => id));
  const [added, ...others] = authenticators.filter(({ id, type }) => type === 'passkey' && !known.has(id));
  expect(others).toEqual([]);
  return added!.id;
}

/** A response of a key that is kept. */
export class Sign extends Step {
  constructor(
    readonly purpose: Purpose,
    readonly key: number,
    readonly token: number,
  ) {
    super();
  }
  override check = (model: Readonly<Model>) => this.purpose !== 'verify' || model.tokens.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const token = this.purpose === 'verify' ? pick(model.tokens.toReversed(), this.token) : undefined;
    await sign(model, real, { purpose: this.purpose, key: this.key, token });
  }
}

/** Sends a response to where it belongs, or elsewhere: for another purpose, with another token, in another session. */
export class Present extends Step {
  constructor(
    readonly assertion: number,
    readonly at: Purpose | null,
    readonly token: number | null,
    readonly elsewhere: boolean,
  ) {
    super();
  }
  override check = (model: Readonly<Model>) => model.assertions.length > 0;
  run(model: Model, real: Real): Promise<void> {
    const assertion = pick(model.assertions.toReversed(), this.assertion)!;
    const purpose = this.at ?? assertion.purpose;
    if (purpose === 'step-up') return this.stepUp(model, real, assertion);
    if (purpose === 'change') return this.change(model, real, assertion);
    const newest = model.tokens.toReversed();
    const other = this.token === null ? assertion.token : pick(newest, this.token);
    const token = other ?? newest[0];
    return token ? this.verify(model, real, assertion, token) : Promise.resolve();
  }
  private async verify(model: Model, real: Real, assertion: Assertion, token: LoginToken): Promise<void> {
    const accepted = model.accepts(assertion, { purpose: 'verify', token }, real.now) && model.passes('passkey');
    const usable = model.isUsable(token, real.now);
    const { passkey } = assertion;
    let login: MfaChallengeResult | undefined;
    const result = await outcome(async () => {
      login = await real.verify(token.text, { passkey });
    });
    expect(result).toBe(!usable ? 'MFA_TOKEN_INVALID' : accepted ? 'OK' : 'MFA_CODE_REJECTED');
    if (result !== 'OK') return;
    model.spend(assertion);
    real.accept(token);
    passed(model, real, login!, { factor: 'passkey', version: token.version });
  }
  private async stepUp(model: Model, real: Real, assertion: Assertion): Promise<void> {
    const { elsewhere } = this;
    const isRight = model.accepts(assertion, { purpose: 'step-up', elsewhere }, real.now);
    const accepted = isRight && model.passes('passkey');
    const { passkey } = assertion;
    const principal = elsewhere ? real.elsewhere : real.principal;
    const result = await outcome(() => real.get(MfaVerificationService).stepUp(principal, { passkey }));
    expect(result).toBe(!model.isEnabled ? 'MFA_NOT_ENABLED' : accepted ? 'OK' : 'MFA_CODE_REJECTED');
    if (result === 'OK') model.spend(assertion);
  }
  /** The setup of a further key is the change, as it changes no factor. */
  private async change(model: Model, real: Real, assertion: Assertion): Promise<void> {
    const { elsewhere } = this;
    const accepted = model.accepts(assertion, { purpose: 'change', elsewhere }, real.now);
    const { passkey } = assertion;
    const principal = elsewhere ? real.elsewhere : real.principal;
    const result = await outcome(() => real.get(MfaPasskeyService).setup(principal, { passkey }));
    const isFull = model.keys.length >= MOST_KEYS;
    const known = isFull ? 'MFA_TOO_MANY_AUTHENTICATORS' : accepted ? 'OK' : 'MFA_CODE_REJECTED';
    const without = model.mustEnroll ? 'MFA_ENROLLMENT_REQUIRED' : 'MFA_PROOF_REQUIRED';
    expect(result).toBe(model.isEnabled ? known : without);
    if (result === 'OK') model.spend(assertion);
  }
}

export class Rename extends Step {
  constructor(
    readonly index: number,
    readonly name: string,
  ) {
    super();
  }
  override check = (model: Readonly<Model>) => model.isEnabled;
  async run(model: Model, real: Real): Promise<void> {
    const { id } = pick([...model.keys, ...model.apps], this.index)!;
    const renamed = await real.get(MfaEnrollmentService).rename(real.principal, id, this.name);
    expect(renamed).toMatchObject({ id, name: this.name });
    const { authenticators } = await real.get(MfaStatusService).status(real.principal);
    expect(authenticators.find((each) => each.id === id)?.name).toBe(this.name);
  }
}
