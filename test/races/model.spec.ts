import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  MfaAdminService,
  MfaBackupCodeService,
  MfaChallengeService,
  MfaCleanupService,
  MfaEnrollmentService,
  MfaVerificationService,
} from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import { BackupCodeHasher, type HashedCode } from '../../libs/mfa/src/domain/backup-codes/backup-code-hash.js';
import { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { InMemoryMfaState } from '../support/in-memory-state.js';
import { InMemoryAccountStore } from '../support/in-memory-account-store.js';
import { InMemoryAuthenticatorStore, InMemoryPasskeyStore } from '../support/in-memory-credential-stores.js';
import { InMemoryBackupCodeStore, InMemoryPolicySeenStore, InMemoryUsageStore } from '../support/in-memory-stores.js';
import { PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { AttemptModel } from './attempt-model.js';

/** Argon2 is not what is examined here, and ten hashes a confirmation would be all the time there is. */
class QuickHasher {
  private readonly hash = (code: string) => createHash('sha256').update(code).digest('hex');
  hashSet = (codes: readonly string[]) => Promise.resolve(codes.map(this.hash));
  match = (code: string, hashes: readonly HashedCode[]) =>
    Promise.resolve(hashes.find(({ phc }) => phc === this.hash(code))?.id ?? null);
}

interface App {
  device: VirtualAuthenticator;
  spent: Set<number>;
}

interface Token {
  text: string;
  expiresAt: number;
  dead: boolean;
}

/** What ought to be, in as few words as possible. */
class Model {
  apps: App[] = [];
  pending: (App & { expiresAt: number }) | null = null;
  codes = new Map<string, 'unused' | 'used'>();
  tokens: Token[] = [];
  budgets = { totp: new AttemptModel(), backup_code: new AttemptModel(), confirmation: new AttemptModel() };
}

class Real {
  readonly userId: string;
  constructor(
    readonly host: HostApp,
    name: number,
  ) {
    this.userId = `model-${name}`;
  }
  get = <T>(type: abstract new (...args: never[]) => T): T => this.host.app.get<T>(type as never, { strict: false });
  get principal() {
    return { userId: this.userId, accountName: 'model@example.test', sessionId: 'model' };
  }
  get now() {
    return this.host.clock.nowMs() / 1000;
  }
  get step() {
    return Math.floor(this.now / 30);
  }
}

/** The code of what was answered, or `OK`. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'OK';
  } catch (error) {
    return (error as { code?: string }).code ?? `unexpected: ${String(error)}`;
  }
}

type Command = fc.AsyncCommand<Model, Real>;
type Factor = keyof Model['budgets'];

abstract class Step implements Command {
  check(_model: Readonly<Model>): boolean {
    return true;
  }
  abstract run(model: Model, real: Real): Promise<void>;
  toString(): string {
    return `${this.constructor.name}(${JSON.stringify(this)})`;
  }
  /** What an attempt must answer: locked, or right, or wrong; and what it does to the budget. */
  protected expectAttempt(model: Model, factor: Factor, right: boolean | 'spent', now: number): string {
    const budget = model.budgets[factor];
    if (!budget.isOpen(now)) return 'MFA_LOCKED';
    // A right code that was spent before is not a guess, and changes nothing (S70).
    if (right === true) budget.succeed(now);
    else if (right === false) budget.fail(now);
    return right === true ? 'OK' : 'MFA_CODE_REJECTED';
  }
}

class Setup extends Step {
  override check = (model: Readonly<Model>) => model.apps.length === 0;
  async run(model: Model, real: Real): Promise<void> {
    const setup = await real.get(MfaEnrollmentService).setup(real.principal, { password: PASSWORD });
    const alive = model.pending && real.now < model.pending.expiresAt ? model.pending : null;
    const device = new VirtualAuthenticator(setup.otpauthUri, real.host.clock);
    if (alive) expect(device.code()).toBe(alive.device.code());
    else model.pending = { device, spent: new Set(), expiresAt: real.now + 600 };
  }
}

class Confirm extends Step {
  constructor(readonly right: boolean) {
    super();
  }
  override check = (model: Readonly<Model>) => model.pending !== null;
  async run(model: Model, real: Real): Promise<void> {
    const pending = model.pending!;
    const code = this.right ? pending.device.code() : wrongCode(pending.device);
    let fresh: string[] | undefined;
    const work = async () => (fresh = (await real.get(MfaEnrollmentService).confirm(real.principal, code)).backupCodes);
    const result = await outcome(work());
    if (real.now >= pending.expiresAt) {
      expect(result).toBe('MFA_SETUP_NOT_FOUND');
      model.pending = null;
      return;
    }
    expect(result).toBe(this.expectAttempt(model, 'confirmation', this.right, real.now));
    if (result !== 'OK') return;
    model.apps.push({ device: pending.device, spent: new Set([real.step]) });
    model.pending = null;
    // Made once, with the first authenticator (S19).
    expect(fresh === undefined).toBe(model.apps.length > 1);
    if (model.apps.length === 1) model.budgets.totp.startOver();
    if (!fresh) return;
    model.codes = new Map(fresh.map((each) => [each, 'unused']));
    model.budgets.backup_code.startOver();
  }
}

class Login extends Step {
  async run(model: Model, real: Real): Promise<void> {
    const challenge = await real.get(MfaChallengeService).issue(real.userId);
    expect(challenge.mfaRequired).toBe(model.apps.length > 0);
    if (challenge.mfaRequired) model.tokens.push({ text: challenge.mfa_token, expiresAt: real.now + 300, dead: false });
  }
}

abstract class Verify extends Step {
  constructor(readonly token: number) {
    super();
  }
  override check = (model: Readonly<Model>) => model.tokens.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const token = model.tokens[this.token % model.tokens.length]!;
    const guess = this.guess(model, real);
    if (!guess) return;
    const result = await outcome(
      real
        .get(MfaChallengeService)
        .check(token.text)
        .then((challenge) => real.get(MfaVerificationService).verify(challenge, { code: guess.code })),
    );
    const usable = !token.dead && Math.floor(real.now) < Math.floor(token.expiresAt);
    expect(result).toBe(usable ? this.expectAttempt(model, guess.factor, guess.right, real.now) : 'MFA_TOKEN_INVALID');
    if (result !== 'OK') return;
    token.dead = true;
    guess.spend();
  }
  protected abstract guess(
    model: Model,
    real: Real,
  ): { code: string; factor: Factor; right: boolean | 'spent'; spend: () => void } | null;
}

class VerifyTotp extends Verify {
  constructor(
    token: number,
    readonly app: number,
    readonly offset: number,
  ) {
    super(token);
  }
  protected guess({ apps }: Model, { step }: Real) {
    const app = apps[this.app % Math.max(1, apps.length)];
    // Without an app every token is dead; any code shows it.
    if (!app) return { code: '123456', factor: 'totp' as const, right: false, spend: () => undefined };
    const at = step + this.offset;
    const right = Math.abs(this.offset) <= 1 && (app.spent.has(at) ? ('spent' as const) : true);
    return { code: app.device.code(this.offset), factor: 'totp' as const, right, spend: () => app.spent.add(at) };
  }
}

class VerifyBackupCode extends Verify {
  constructor(
    token: number,
    readonly index: number,
  ) {
    super(token);
  }
  protected guess({ codes }: Model) {
    const code = [...codes.keys()][this.index % Math.max(1, codes.size)];
    if (code === undefined) return null;
    return {
      code,
      factor: 'backup_code' as const,
      right: codes.get(code) === 'unused' || ('spent' as const),
      spend: () => codes.set(code, 'used'),
    };
  }
}

class VerifyWithPendingSecret extends Verify {
  protected guess({ apps, pending }: Model) {
    if (apps.length === 0 || !pending) return null;
    return { code: pending.device.code(), factor: 'totp' as const, right: false, spend: () => undefined };
  }
}

/** Somebody signs in and guesses on. */
class Guess extends Step {
  constructor(readonly guesses: number) {
    super();
  }
  override check = (model: Readonly<Model>) => model.apps.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const challenge = await real.get(MfaChallengeService).issue(real.userId);
    if (!challenge.mfaRequired) throw new Error('no second step');
    const codes = model.apps.flatMap(({ device }) => [-1, 0, 1].map((steps) => device.code(steps)));
    const wrong = ['111111', '222222', '333333', '444444'].find((code) => !codes.includes(code))!;
    for (let guess = 0; guess < this.guesses; guess += 1) {
      const checked = await real.get(MfaChallengeService).check(challenge.mfa_token);
      const result = await outcome(real.get(MfaVerificationService).verify(checked, { code: wrong }));
      expect(result).toBe(this.expectAttempt(model, 'totp', false, real.now));
    }
  }
}

abstract class Change extends Step {
  override check = (model: Readonly<Model>) => model.apps.length > 0;
  constructor(readonly app: number) {
    super();
  }
  protected async attempt(model: Model, real: Real, work: (code: string) => Promise<unknown>): Promise<boolean> {
    const app = model.apps[this.app % model.apps.length]!;
    const right = app.spent.has(real.step) ? ('spent' as const) : true;
    const result = await outcome(work(app.device.code()));
    expect(result).toBe(this.expectAttempt(model, 'totp', right, real.now));
    if (result === 'OK') app.spent.add(real.step);
    return result === 'OK';
  }
}

class Regenerate extends Change {
  async run(model: Model, real: Real): Promise<void> {
    let fresh: string[] = [];
    const work = async (code: string) =>
      ({ backupCodes: fresh } = await real.get(MfaBackupCodeService).regenerate(real.userId, { code }));
    if (!(await this.attempt(model, real, work))) return;
    // Every change of factors or codes ends the pending setup (S79).
    model.pending = null;
    model.codes = new Map(fresh.map((each) => [each, 'unused']));
    model.budgets.backup_code.startOver();
    model.pending = null;
    for (const token of model.tokens) token.dead = true;
  }
}

class Disable extends Change {
  async run(model: Model, real: Real): Promise<void> {
    const work = (code: string) => real.get(MfaEnrollmentService).disable(real.principal, { code });
    if (!(await this.attempt(model, real, work))) return;
    model.apps = [];
    model.pending = null;
    model.codes.clear();
    for (const token of model.tokens) token.dead = true;
  }
}

/** A further authenticator. */
class SetupNext extends Change {
  override check = (model: Readonly<Model>) => model.apps.length > 0 && model.apps.length < 5 && model.pending === null;
  async run(model: Model, real: Real): Promise<void> {
    await this.attempt(model, real, async (code) => {
      const { otpauthUri } = await real.get(MfaEnrollmentService).setup(real.principal, { code });
      const device = new VirtualAuthenticator(otpauthUri, real.host.clock);
      model.pending = { device, spent: new Set(), expiresAt: real.now + 600 };
    });
  }
}

class Advance extends Step {
  constructor(readonly seconds: number) {
    super();
  }
  run(_model: Model, real: Real): Promise<void> {
    real.host.clock.advance(this.seconds);
    return Promise.resolve();
  }
}

class Cleanup extends Step {
  async run(_model: Model, real: Real): Promise<void> {
    await real.get(MfaCleanupService).purge();
  }
}

class Unlock extends Step {
  async run(model: Model, real: Real): Promise<void> {
    await real.get(MfaAdminService).unlock(real.userId);
    Object.values(model.budgets).forEach((budget) => budget.clear());
  }
}

function wrongCode(device: VirtualAuthenticator): string {
  const near = [-2, -1, 0, 1, 2].map((steps) => device.code(steps));
  return ['111111', '222222', '333333', '444444', '555555', '666666'].find((code) => !near.includes(code))!;
}

const token = fc.nat(20);
const COMMANDS = [
  fc.constant(new Setup()),
  fc.boolean().map((right) => new Confirm(right)),
  fc.constant(new Login()),
  fc.constant(new Login()),
  fc.tuple(token, fc.nat(4), fc.integer({ min: -2, max: 2 })).map(([t, app, offset]) => new VerifyTotp(t, app, offset)),
  fc.tuple(token, fc.nat(4), fc.integer({ min: -2, max: 2 })).map(([t, app, offset]) => new VerifyTotp(t, app, offset)),
  fc.tuple(token, fc.nat(9)).map(([t, index]) => new VerifyBackupCode(t, index)),
  token.map((t) => new VerifyWithPendingSecret(t)),
  fc.integer({ min: 1, max: 6 }).map((guesses) => new Guess(guesses)),
  fc.constantFrom(4, 5).map((guesses) => new Guess(guesses)),
  fc.nat(4).map((app) => new Regenerate(app)),
  fc.nat(4).map((app) => new Disable(app)),
  fc.nat(4).map((app) => new SetupNext(app)),
  fc.constantFrom(1, 29, 30, 301, 901, 1_801, 3_601, 8_640, 90_000).map((seconds) => new Advance(seconds)),
  fc.constantFrom(30, 60).map((seconds) => new Advance(seconds)),
  fc.constant(new Cleanup()),
  fc.constant(new Unlock()),
];

const inMemory = new InMemoryMfaState();

describe.each([
  { stores: 'in memory', runs: 250 },
  { stores: 'on SQLite', runs: 50 },
])('the flow against its model, $stores', ({ stores, runs }) => {
  let host: HostApp;
  let users = 0;

  beforeAll(async () => {
    host = await startHostApp({
      override: (builder) => {
        const quick = builder.overrideProvider(BackupCodeHasher).useValue(new QuickHasher());
        if (stores !== 'in memory') return quick;
        return quick
          .overrideProvider(MfaAccountStore)
          .useValue(new InMemoryAccountStore(inMemory))
          .overrideProvider(MfaAuthenticatorStore)
          .useValue(new InMemoryAuthenticatorStore(inMemory))
          .overrideProvider(MfaBackupCodeStore)
          .useValue(new InMemoryBackupCodeStore(inMemory))
          .overrideProvider(MfaPasskeyStore)
          .useValue(new InMemoryPasskeyStore(inMemory))
          .overrideProvider(MfaUsageStore)
          .useValue(new InMemoryUsageStore(inMemory))
          .overrideProvider(MfaPolicySeenStore)
          .useValue(new InMemoryPolicySeenStore(inMemory));
      },
    });
  });
  afterAll(() => host.close());

  it('S13 S16 S27 S32 S43 S50 S54 accepts each step and code at most once, never beyond the budget, and never after disabling', async () => {
    const sequences = fc.commands<Model, Real, false>(COMMANDS as fc.Arbitrary<Command>[], {
      maxCommands: 80,
      size: 'max',
    });
    await fc.assert(
      fc.asyncProperty(sequences, (commands) =>
        fc.asyncModelRun(() => ({ model: new Model(), real: new Real(host, (users += 1)) }), commands),
      ),
      { numRuns: runs, endOnFailure: false },
    );
  });
});
