import { expect } from 'vitest';
import { MfaAdminService, MfaChallengeService, MfaDeviceService, type MfaPolicy } from 'nestjs-mfa';
import { MfaAccountStore } from '../../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaPolicySeenStore } from '../../../libs/mfa/src/domain/policy/policy-seen.store.js';
import { PolicyHost } from '../../support/policy-host.js';
import { Verify } from './flow-commands.js';
import type { Model } from './flow-model.js';
import { type Command, Flow, outcome, pick, type Real, Step } from './flow-step.js';

const ACTION = { actor: { system: 'model' } };
const DAY = 86_400;

/** From now on the host returns this policy. */
export class SetPolicy extends Step {
  constructor(readonly policy: MfaPolicy | null) {
    super();
  }
  run(model: Model): Promise<void> {
    model.policy = this.policy;
    PolicyHost.policyOf = () => this.policy;
    return Promise.resolve();
  }
}

export class Reset extends Step {
  constructor(readonly requireEnrollment: boolean) {
    super();
  }
  async run(model: Model, real: Real): Promise<void> {
    const { requireEnrollment } = this;
    await real.get(MfaAdminService).reset(real.userId, { ...ACTION, requireEnrollment });
    model.mustEnroll ||= requireEnrollment;
    model.switchedOff();
    Object.values(model.budgets).forEach((budget) => budget.clear());
  }
}

export class IssueRecoveryCode extends Step {
  async run(model: Model, real: Real): Promise<void> {
    const { code } = await real.get(MfaAdminService).issueRecoveryCode(real.userId, ACTION);
    model.recovery = { code, expiresAt: real.now + DAY };
    model.recoveryCodes.push(code);
    model.budgets.recovery_code.startOver();
  }
}

/** An issued recovery code, counted from the newest, or a wrong one; and whether it is the live one (S104). */
export function recoveryCode(model: Model, index: number | null, now: number): { code: string; right: boolean } {
  const issued = index === null ? undefined : pick(model.recoveryCodes.toReversed(), index);
  const code = issued ?? 'AAAA-BBBB-CCCC-DDDD';
  const { recovery } = model;
  return { code, right: recovery?.code === code && now < recovery.expiresAt };
}

/** Its login leads to an enrollment that replaces the factors, and to no session. */
export class VerifyRecoveryCode extends Verify {
  constructor(
    token: number,
    readonly index: number | null,
  ) {
    super(token);
  }
  protected guess(model: Model, { now }: Real) {
    const { code, right } = recoveryCode(model, this.index, now);
    return { factor: 'recovery_code' as const, code, expected: () => model.attempt('recovery_code', right, now) };
  }
}

/** The token of an enrollment describes the enrollment while it holds, and passes no second step (S100). */
export class LookAtEnrollment extends Step {
  constructor(readonly token: number) {
    super();
  }
  override check = (model: Readonly<Model>) => model.enrollments.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const token = pick(model.enrollments.toReversed(), this.token)!;
    const challenges = real.get(MfaChallengeService);
    const described = await outcome(async () => {
      const enrollmentMethods = ['totp', 'passkey'].filter((method) => model.allows(method));
      expect(await challenges.describe(token.text)).toMatchObject({ enrollmentRequired: true, enrollmentMethods });
    });
    expect(described).toBe(model.holds(token, real.now) ? 'OK' : 'MFA_TOKEN_INVALID');
    expect(await outcome(() => challenges.check(token.text))).toBe('MFA_TOKEN_INVALID');
  }
}

/** A command, after each step of which the stored facts must be as the design requires. */
export class Checked implements Command {
  constructor(readonly inner: Command) {}
  check(model: Readonly<Model>): boolean {
    return this.inner.check(model);
  }
  async run(model: Model, real: Real): Promise<void> {
    if (this.inner instanceof Flow) {
      for (const step of this.inner.steps.map((each) => new Checked(each))) {
        if (step.check(model)) await step.run(model, real);
      }
      return;
    }
    const before = await account(real);
    const [logins, events, alarms] = [real.logins.length, real.host.state.events.length, model.devices.alarms];
    await this.inner.run(model, real);
    const after = await account(real);
    // Only a confirmation ends the duty to enroll (S102).
    const mustEnroll = (after?.mustEnrollSinceMs ?? null) !== null;
    expect(mustEnroll).toBe(model.mustEnroll);
    if ((before?.mustEnrollSinceMs ?? null) !== null && !mustEnroll) {
      expect(before!.activeFactors).toEqual([]);
      expect(after!.activeFactors).not.toEqual([]);
    }
    await requireDevices(model, real, { events, alarms });
    // At most the newest recovery code is live (S104).
    expect(after?.recovery?.expiresAtMs ?? null).toBe(model.recovery && model.recovery.expiresAt * 1000);
    for (const { factor, mfaAt } of real.logins.slice(logins)) {
      if (factor === null && mfaAt === null) await requireNoDuty(model, real, mustEnroll);
    }
  }
  toString(): string {
    return this.inner.toString();
  }
}

/** The owner sees the live devices, and exactly the reused secrets raise an alarm (S111, S112). */
async function requireDevices(
  { devices }: Model,
  real: Real,
  before: { events: number; alarms: number },
): Promise<void> {
  const listed = await real.get(MfaDeviceService).list(real.principal);
  const live = devices.live(real.now);
  expect(listed.map(({ id }) => id).toSorted()).toEqual(live.map(({ id }) => id).toSorted());
  const reused = real.host.state.events.slice(before.events).filter(({ type }) => type === 'mfa.device.reused');
  expect(reused).toHaveLength(devices.alarms - before.alarms);
}

/** A session without a second factor, by what is stored: no reset counts, and no policy is enforced (S100). */
async function requireNoDuty({ policy }: Model, real: Real, mustEnroll: boolean): Promise<void> {
  expect(mustEnroll).toBe(false);
  if (!policy?.required) return;
  const seenAtMs = await real.get(MfaPolicySeenStore).firstSeen(real.userId, policy.id);
  expect(seenAtMs).not.toBeNull();
  expect(seenAtMs! / 1000 + (policy.graceSeconds ?? 0)).toBeGreaterThan(real.now);
}

const account = async (real: Real) => (await real.get(MfaAccountStore).load(real.userId))?.account;
