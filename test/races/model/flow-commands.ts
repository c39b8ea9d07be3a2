import { BY_TEST } from '../../support/reset.js';
import { expect } from 'vitest';
import {
  MfaAdminService,
  MfaChallengeService,
  MfaCleanupService,
  MfaEnrollmentService,
  MfaStatusService,
  MfaVerificationService,
  type MfaChallengeResult,
  type MfaSetup,
} from 'nestjs-mfa';
import type { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { PASSWORD } from '../../support/host-app.js';
import { logIn, passed, pended } from './flow-logins.js';
import type { Factor, Model } from './flow-model.js';
import { outcome, pick, type Real, Step } from './flow-step.js';

/** How long the cleanup keeps what expired, because the clocks of instances differ. */
const CLOCK_SKEW_SECONDS = 600;

export class Setup extends Step {
  override check = (model: Readonly<Model>) => !model.isEnabled;
  async run(model: Model, real: Real): Promise<void> {
    let setup: MfaSetup | undefined;
    const result = await outcome(async () => {
      setup = await real.get(MfaEnrollmentService).setup(real.principal, { password: PASSWORD });
    });
    // After a reset, only a login enrolls (S102).
    expect(result).toBe(model.mustEnroll ? 'MFA_ENROLLMENT_REQUIRED' : 'OK');
    if (!setup) return;
    model.recovery = null;
    pended(model, real, setup, 'session');
  }
}

export class Confirm extends Step {
  constructor(readonly right: boolean) {
    super();
  }
  override check = (model: Readonly<Model>) => model.pending !== null;
  async run(model: Model, real: Real): Promise<void> {
    const pending = model.pending!;
    const code = this.right ? pending.device.code() : wrongCode(pending.device);
    let fresh: string[] | undefined;
    const result = await outcome(async () => {
      fresh = (await real.get(MfaEnrollmentService).confirm(real.principal, code)).backupCodes;
    });
    if (pending.owner !== 'session' || real.now >= pending.expiresAt) {
      expect(result).toBe('MFA_SETUP_NOT_FOUND');
      return;
    }
    expect(result).toBe(model.attempt('confirmation', this.right, real.now));
    if (result !== 'OK') return;
    // Made once, with the first factor (S19).
    expect(fresh === undefined).toBe(model.isEnabled);
    model.enrolled({ app: { ...pending, spent: new Set([real.step]) } }, 'session', fresh);
  }
}

export class Login extends Step {
  async run(model: Model, real: Real): Promise<void> {
    await logIn(model, real);
  }
}

/** A code, and what it must lead to where the token is usable. */
interface Guessed {
  factor: Factor;
  code: string;
  expected: () => string;
  spend?: () => void;
}

export abstract class Verify extends Step {
  /** @param token 0 = the newest */
  constructor(readonly token: number) {
    super();
  }
  override check = (model: Readonly<Model>) => model.tokens.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const token = pick(model.tokens.toReversed(), this.token)!;
    const guess = this.guess(model, real);
    if (!guess) return;
    const { factor, code } = guess;
    const method = factor === 'recovery_code' ? { method: factor } : {};
    let login: MfaChallengeResult | undefined;
    const result = await outcome(async () => {
      const challenge = await real.get(MfaChallengeService).check(token.text);
      login = await real.verify(challenge, { code, ...method });
    });
    const expected = () => (model.passes(factor) ? guess.expected() : 'MFA_CODE_REJECTED');
    expect(result).toBe(model.isUsable(token, real.now) ? expected() : 'MFA_TOKEN_INVALID');
    if (result !== 'OK') return;
    real.accept(token);
    guess.spend?.();
    passed(model, real, login!, { factor, version: token.version });
  }
  protected abstract guess(model: Model, real: Real): Guessed | null;
}

export class VerifyTotp extends Verify {
  constructor(
    token: number,
    readonly app: number,
    readonly offset: number,
  ) {
    super(token);
  }
  protected guess(model: Model, { step, now }: Real): Guessed {
    const app = pick(model.apps, this.app);
    // Without an app no code has the right shape, so it costs no attempt.
    if (!app) return { factor: 'totp', code: '123456', expected: () => 'MFA_CODE_REJECTED' };
    const at = step + this.offset;
    const right = Math.abs(this.offset) <= 1 && (app.spent.has(at) ? ('spent' as const) : true);
    const expected = () => model.attempt('totp', right, now);
    return { factor: 'totp', code: app.device.code(this.offset), expected, spend: () => app.spent.add(at) };
  }
}

export class VerifyBackupCode extends Verify {
  constructor(
    token: number,
    readonly index: number,
  ) {
    super(token);
  }
  protected guess(model: Model, { now }: Real): Guessed | null {
    const code = pick([...model.codes.keys()], this.index);
    if (code === undefined) return null;
    const right = model.codes.get(code) === 'unused' || ('spent' as const);
    const expected = () => model.attempt('backup_code', right, now);
    return { factor: 'backup_code', code, expected, spend: () => model.codes.set(code, 'used') };
  }
}

export class VerifyWithPendingSecret extends Verify {
  protected guess(model: Model, { now }: Real): Guessed | null {
    if (model.apps.length === 0 || !model.pending) return null;
    const code = model.pending.device.code();
    return { factor: 'totp', code, expected: () => model.attempt('totp', false, now) };
  }
}

/** Somebody signs in and guesses on. */
export class Guess extends Step {
  constructor(readonly guesses: number) {
    super();
  }
  override check = (model: Readonly<Model>) => model.apps.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    await logIn(model, real);
    const { text } = model.tokens.at(-1)!;
    const codes = model.apps.flatMap(({ device }) => [-1, 0, 1].map((steps) => device.code(steps)));
    const wrong = ['111111', '222222', '333333', '444444'].find((code) => !codes.includes(code))!;
    for (let guess = 0; guess < this.guesses; guess += 1) {
      const checked = await real.get(MfaChallengeService).check(text);
      const result = await outcome(() => real.get(MfaVerificationService).verify(checked, { code: wrong }));
      expect(result).toBe(model.passes('totp') ? model.attempt('totp', false, real.now) : 'MFA_CODE_REJECTED');
    }
  }
}

/** What the owner sees. */
export class Look extends Step {
  async run(model: Model, real: Real): Promise<void> {
    const status = await real.get(MfaStatusService).status(real.principal);
    const ids = [...model.apps, ...model.keys].map(({ id }) => id);
    expect(status.authenticators.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    expect(status.methods).toEqual(model.methods);
    expect(status.backupCodes.remaining).toBe([...model.codes.values()].filter((code) => code === 'unused').length);
    expect(status.pendingSetup).toBe(model.pending !== null && real.now < model.pending.expiresAt);
    const second = model.isProtected ? ['passkey', 'backup_code'] : ['code'];
    expect(status.proof).toEqual(model.isEnabled ? second : ['password']);
    const due = model.hasAllowed ? null : model.dueAt(real.now);
    expect(status.enrollmentDueAt).toEqual(due === null ? undefined : new Date(due * 1000));
  }
}

export class Advance extends Step {
  constructor(readonly seconds: number) {
    super();
  }
  run(_model: Model, real: Real): Promise<void> {
    real.host.clock.advance(this.seconds);
    return Promise.resolve();
  }
}

export class Cleanup extends Step {
  async run(model: Model, real: Real): Promise<void> {
    await real.get(MfaCleanupService).purge();
    model.devices.purge(real.now - CLOCK_SKEW_SECONDS);
  }
}

export class Unlock extends Step {
  async run(model: Model, real: Real): Promise<void> {
    await real.get(MfaAdminService).unlock(real.userId, BY_TEST);
    Object.values(model.budgets).forEach((budget) => budget.clear());
  }
}

/** The administrator ends what was issued. */
export class Invalidate extends Step {
  async run(model: Model, real: Real): Promise<void> {
    await real.get(MfaAdminService).invalidate(real.userId, BY_TEST);
    model.stampChanged();
  }
}

export function wrongCode(device: VirtualAuthenticator): string {
  const near = [-2, -1, 0, 1, 2].map((steps) => device.code(steps));
  return ['111111', '222222', '333333', '444444', '555555', '666666'].find((code) => !near.includes(code))!;
}
