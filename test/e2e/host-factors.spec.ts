import { BY_TEST, RESET } from '../support/reset.js';
import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  MfaAdminService,
  MfaEnrollmentService,
  MfaFactor,
  MfaStatusService,
  MfaVerificationService,
  type MfaFactorMatch,
  type MfaFactorProof,
  type MfaFactorUser,
} from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import {
  CreateHotpTokens1796000000000,
  HotpFactor,
  HotpModule,
  HotpToken,
  hotp,
} from '../hosts/shared/sign-in/hotp.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { AuthModule, FEW_CODES, PASSWORD, startHostApp, type HostApp, type HostAppSetup } from '../support/host-app.js';

/** Prompts on a device, kept in memory: the code is 160 random bits, so it cannot be guessed. */
@Injectable()
class PromptFactor extends MfaFactor {
  readonly method = 'prompt';
  readonly budget = null;
  override readonly unguessable = true;
  /** User → hash of the code that was sent. */
  readonly sent = new Map<string, string>();
  readonly forgotten: string[] = [];

  override prepare({ userId }: MfaFactorUser) {
    const code = randomBytes(20).toString('hex');
    this.sent.set(userId, hashOf(code));
    return { shown: code };
  }

  match({ typed }: MfaFactorProof, { userId, ids }: MfaFactorUser): MfaFactorMatch | null {
    const hash = hashOf(typed);
    if (this.sent.get(userId) !== hash) return null;
    return { id: ids[0]!, amr: ['mca'], spend: { item: hash, expiresAt: new Date(Date.now() + 86_400_000) } };
  }

  describe(_userId: string, ids: readonly string[]) {
    return ids.map((id) => ({ id, name: 'Device', createdAt: new Date(0), lastUsedAt: null }));
  }

  forget(userId: string, ids: readonly string[] | null) {
    this.forgotten.push(`${userId} ${ids === null ? 'all' : ids.join()}`);
  }
}

const hashOf = (code: string) => createHash('sha256').update(code).digest('hex');

const SETUP: HostAppSetup = {
  imports: [HotpModule],
  dataSource: { migrations: [...MFA_MIGRATIONS, CreateHotpTokens1796000000000] },
};
const withFactors = (...factors: (new (...given: never[]) => MfaFactor)[]): HostAppSetup['options'] => ({
  ...FEW_CODES,
  imports: [AuthModule, HotpModule],
  factors: factors as never,
});

/** A user with a token on the key ring. */
class TokenUser extends Client {
  private secret = '';
  private counter = 0;

  /** The button of the token. */
  press(): string {
    return hotp(this.secret, this.counter++);
  }

  async enrollToken(proof: object = { password: PASSWORD }): Promise<{ id: string; backupCodes?: string[] }> {
    const { body } = await this.post('/hotp-tokens', { name: 'Key ring' }).expect(201);
    [this.secret, this.counter] = [body.secret, 0];
    const { id } = body;
    const activated = await this.post(`/hotp-tokens/${id}/activate`, { firstCode: this.press(), ...proof }).expect(200);
    return { id, ...activated.body };
  }

  prove(mfa_token: string, code: string, method: string | null = 'hotp') {
    return request(this.server).post('/mfa/verify').send({ mfa_token, code, method });
  }

  async signInBy(code: string, method: string | null = 'hotp') {
    return this.prove(await this.login(), code, method);
  }
}

const rejected = { code: 'MFA_CODE_REJECTED' };
let users = 0;

describe.each(testDatabases)('a factor of the host on %s', (database) => {
  let host: HostApp;
  const newUser = () => new TokenUser(host, `user-${(users += 1)}`);
  const budgetsOf = async (user: Client) =>
    (await host.dataSource.query(`SELECT * FROM mfa_account WHERE user_id = '${user.userId}'`))[0];
  const tokensOf = (user: Client) => host.dataSource.getRepository(HotpToken).countBy({ userId: user.userId });
  const prompts = () => host.app.get(PromptFactor, { strict: false });

  async function enrollPrompt(user: Client, proof: object = { password: PASSWORD }, id = `device-${user.userId}`) {
    const principal = { userId: user.userId, accountName: 'x', sessionId: 's' };
    await host.app.get(MfaEnrollmentService).activate(principal, { type: 'prompt', id, name: 'Device' }, proof);
    return principal;
  }

  beforeAll(async () => {
    host = await startHostApp({ ...SETUP, database, options: withFactors(HotpFactor, PromptFactor) });
  });
  afterAll(() => host.close());

  it('is enrolled over a route of the host, with backup codes, and is in the status', async () => {
    const user = newUser();
    await user.post('/hotp-tokens', { name: 'x' }).expect(201);
    expect((await user.loginAnswer()).body.mfaRequired).toBeUndefined();
    const { id, backupCodes } = await user.enrollToken();
    expect(backupCodes).toHaveLength(4);
    const { body } = await user.get('/mfa/status').expect(200);
    expect(body).toMatchObject({
      enabled: true,
      methods: ['hotp', 'backup_code'],
      authenticators: [{ id, type: 'hotp', name: 'Key ring', lastUsedAt: null }],
      proof: ['code'],
    });
    const statuses = await host.app.get(MfaStatusService).statusOf([user.userId]);
    expect(statuses.get(user.userId)!.authenticators).toHaveLength(1);
    expect(host.state.events.at(-1)).toMatchObject({
      type: 'mfa.authenticator.confirmed',
      authenticator: { id, type: 'hotp', name: 'Key ring' },
    });
  });

  it('S12 needs the proof of the owner, and activates no credential twice', async () => {
    const user = newUser();
    const principal = { userId: user.userId, accountName: 'x' };
    const { body } = await user.post('/hotp-tokens', { name: 'Key ring' }).expect(201);
    const firstCode = hotp(body.secret, 0);
    const refused = await user.post(`/hotp-tokens/${body.id}/activate`, { firstCode }).expect(401);
    expect(refused.body).toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof: ['password'] });
    expect((await user.loginAnswer()).body.mfaRequired).toBeUndefined();
    const { id } = await user.enrollToken();
    const enrollment = host.app.get(MfaEnrollmentService);
    const again = enrollment.activate(
      principal,
      { type: 'hotp', id, name: 'x' },
      { code: user.press(), method: 'hotp' },
    );
    await expect(again).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
    for (const credential of [
      { type: 'totp', id: 'x', name: 'x' },
      { type: 'nothing', id: 'x', name: 'x' },
      { type: 'hotp', id: 'a,totp:b', name: 'x' },
      { type: 'hotp', id: 7, name: 'x' },
    ]) {
      await expect(enrollment.activate(principal, credential as never, {})).rejects.toThrow(TypeError);
    }
  });

  it('S27 signs in by code and method, once for each code', async () => {
    const user = newUser();
    await user.enrollToken();
    const code = user.press();
    expect((await user.signInBy(code)).status).toBe(200);
    expect(host.state.completedLogins.at(-1)).toMatchObject({
      factor: 'hotp',
      amr: ['otp', 'mfa'],
      backupCodesRemaining: 4,
    });
    expect((await user.signInBy(code)).body).toMatchObject(rejected);
    const { body } = await user.get('/mfa/status').expect(200);
    expect(body.authenticators[0].lastUsedAt).toBe(new Date(host.clock.nowMs()).toISOString());
    // The window of the token allows some presses of the button that nobody used.
    for (let press = 0; press < 5; press += 1) user.press();
    expect((await user.signInBy(user.press())).status).toBe(200);
  });

  it('S27 refuses a spent code also where the host still returns a match', async () => {
    const user = newUser();
    await user.enrollToken();
    vi.spyOn(host.app.get(HotpFactor, { strict: false }), 'used').mockRejectedValueOnce(new Error('no table'));
    const code = user.press();
    expect((await user.signInBy(code)).status).toBe(200);
    expect((await user.signInBy(code)).body).toMatchObject(rejected);
    // A right code that is spent is not a guess (S70).
    expect(Number((await budgetsOf(user)).other_failures)).toBe(0);
    expect((await user.post('/mfa/step-up', { code, method: 'hotp' })).status).toBe(401);
    expect((await user.post('/mfa/disable', { code, method: 'hotp' })).status).toBe(401);
  });

  it('accepts one of 20 parallel uses of a code', async () => {
    const user = newUser();
    await user.enrollToken();
    const code = user.press();
    // So that nothing but the spending refuses the code.
    const used = vi.spyOn(host.app.get(HotpFactor, { strict: false }), 'used').mockResolvedValue(undefined as never);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => user.login()));
    const answers = await Promise.all(tokens.map(async (token) => (await user.prove(token, code)).status));
    used.mockRestore();
    expect(answers.filter((status) => status === 200)).toHaveLength(1);
    expect(answers.every((status) => [200, 401, 429].includes(status))).toBe(true);
  });

  it('S50 S56 is locked by 5 failures in a budget of its own', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    await user.enrollToken({ code: authenticator.code() });
    for (let guess = 0; guess < 5; guess += 1) expect((await user.signInBy('000000')).body).toMatchObject(rejected);
    const locked = await user.signInBy(user.press());
    expect([locked.status, locked.body.code]).toEqual([429, 'MFA_LOCKED']);
    expect(locked.headers['retry-after']).toBe('900');
    const budgets = await budgetsOf(user);
    expect([budgets.totp_failures, budgets.backup_code_failures, budgets.other_failures].map(Number)).toEqual([
      0, 0, 5,
    ]);
    host.clock.advance(30);
    expect((await user.signInBy(authenticator.code(), null)).status).toBe(200);
    expect((await user.signInBy(backupCodes[0]!, null)).status).toBe(200);
    host.clock.advance(900);
    expect((await user.signInBy(user.press())).status).toBe(200);
    expect(Number((await budgetsOf(user)).other_failures)).toBe(0);
  });

  it('S53 counts failures of a step-up and of a change in the same budget, and TOTP codes in theirs', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await user.enrollToken({ code: authenticator.code() });
    await user.post('/mfa/step-up', { code: '000000', method: 'hotp' }).expect(401);
    await user.post('/mfa/disable', { code: '000000', method: 'hotp' }).expect(401);
    await user.post('/mfa/step-up', { code: '000000' }).expect(401);
    const { other_failures, totp_failures } = await budgetsOf(user);
    expect([other_failures, totp_failures].map(Number)).toEqual([2, 1]);
  });

  it('is never called for a code without its method', async () => {
    const user = newUser();
    await user.enrollToken();
    const match = vi.spyOn(host.app.get(HotpFactor, { strict: false }), 'match');
    const code = user.press();
    for (const method of [null, 'totp', 'backup_code', 'prompt', 'nothing']) {
      expect((await user.signInBy(code, method)).body).toMatchObject(rejected);
    }
    expect(match).not.toHaveBeenCalled();
    match.mockRestore();
    expect((await user.signInBy(code)).status).toBe(200);
  });

  it('steps up, proves changes, is renamed and removed', async () => {
    const user = newUser();
    const { id } = await user.enrollToken();
    const stepUp = await user.post('/mfa/step-up', { code: user.press(), method: 'hotp' }).expect(200);
    expect(stepUp.body.amr).toEqual(['otp', 'mfa']);
    const proof = () => ({ code: user.press(), method: 'hotp' });
    expect((await user.post('/mfa/backup-codes/regenerate', proof()).expect(200)).body.backupCodes).toHaveLength(4);
    expect((await user.post('/mfa/totp/setup', proof()).expect(200)).body.secret).toEqual(expect.any(String));
    const renamed = await user.patch(`/mfa/authenticators/${id}`, { name: 'Spare' }).expect(200);
    expect(renamed.body).toMatchObject({ id, type: 'hotp', name: 'Spare' });
    expect((await user.get('/mfa/status')).body.authenticators[0].name).toBe('Spare');
    const removed = await user.post(`/mfa/authenticators/${id}/remove`, proof()).expect(200);
    expect(removed.body).toMatchObject({ enabled: false, removed: { id, type: 'hotp', name: 'Spare' } });
    expect(await tokensOf(user)).toBe(0);
    expect((await user.loginAnswer()).body.mfaRequired).toBeUndefined();
  });

  it('forgets the credentials that were active when MFA is disabled or reset, and all of them at a purge', async () => {
    const user = newUser();
    await user.enrollToken();
    await user.post('/mfa/disable', { code: user.press(), method: 'hotp' }).expect(200);
    expect(await tokensOf(user)).toBe(0);
    await user.enrollToken();
    await enrollPrompt(user, { code: user.press(), method: 'hotp' });
    await user.post('/hotp-tokens', { name: 'never activated' }).expect(201);
    await host.app.get(MfaAdminService).reset(user.userId, RESET);
    expect(await tokensOf(user)).toBe(1);
    await host.app.get(MfaAdminService).purgeUser(user.userId, BY_TEST);
    expect(await tokensOf(user)).toBe(0);
    expect(prompts().forgotten.slice(-2)).toEqual([`${user.userId} device-${user.userId}`, `${user.userId} all`]);
  });

  it('that cannot be guessed is prepared, not counted, and its code is accepted once', async () => {
    const user = newUser();
    const principal = await enrollPrompt(user);
    const verification = host.app.get(MfaVerificationService);
    for (let guess = 0; guess < 7; guess += 1) {
      expect((await user.signInBy('f'.repeat(40), 'prompt')).body).toMatchObject(rejected);
    }
    expect(Number((await budgetsOf(user)).other_failures)).toBe(0);
    const prepared = (await verification.prepare(await user.login(), { method: 'prompt' })) as { shown: string };
    expect((await user.signInBy(prepared.shown, null)).body).toMatchObject(rejected);
    expect((await user.signInBy(prepared.shown, 'prompt')).status).toBe(200);
    expect(host.state.completedLogins.at(-1)).toMatchObject({ factor: 'prompt', amr: ['mca', 'mfa'] });
    expect((await user.signInBy(prepared.shown, 'prompt')).body).toMatchObject(rejected);
    const stepUp = (await verification.prepare(principal, { method: 'prompt' })) as { shown: string };
    await user.post('/mfa/step-up', { code: stepUp.shown, method: 'prompt' }).expect(200);
    // It has no `rename`.
    await user.patch(`/mfa/authenticators/device-${user.userId}`, { name: 'Spare' }).expect(404);
    await expect(verification.prepare(principal, { method: 'hotp' })).rejects.toMatchObject({
      code: 'MFA_AUTHENTICATOR_NOT_FOUND',
    });
  });

  it('S45 that throws or returns anything but a match of the user denies', async () => {
    const user = newUser();
    const { id } = await user.enrollToken();
    const [other, spend] = [await newUser().enrollToken(), { item: 'x', expiresAt: null }];
    const match = vi.spyOn(host.app.get(HotpFactor, { strict: false }), 'match');
    const rubbish: unknown[] = [
      ...[undefined, true, 1, 'yes', {}, [], { id }, { id, amr: ['otp'] }, { id: other.id, amr: [], spend }],
      ...[
        { amr: [], spend },
        { id, amr: 'otp', spend },
        { id, amr: [1], spend },
        { id, amr: [], spend: 'x' },
      ],
      ...[
        { id, amr: [], spend: { item: 'x' } },
        { id, amr: [], spend: { item: '', expiresAt: null } },
      ],
      ...[
        { id, amr: [], spend: { item: 1, expiresAt: null } },
        { id, amr: [], spend: { item: 'x', expiresAt: 5 } },
      ],
      { id, amr: [], spend: { item: 'x', expiresAt: new Date(NaN) } },
    ];
    for (const result of rubbish) {
      match.mockResolvedValueOnce(result as never);
      const answer = await user.signInBy('000000');
      expect([result, answer.status, answer.body.code]).toEqual([result, 401, 'MFA_CODE_REJECTED']);
      await host.app.get(MfaAdminService).unlock(user.userId, BY_TEST);
    }
    match.mockImplementationOnce(() => {
      throw new Error('no table');
    });
    const token = await user.login();
    expect((await user.prove(token, user.press())).status).toBe(500);
    expect(Number((await budgetsOf(user)).other_failures)).toBe(1);
    match.mockRestore();
    expect((await user.prove(token, user.press())).status).toBe(200);
  });
});

describe('S43a a factor that the application no longer has', () => {
  it('still requires MFA, gives no method, and can be disabled with a backup code', async () => {
    const before = await startHostApp({ ...SETUP, options: withFactors(HotpFactor) });
    const { backupCodes } = await new TokenUser(before, 'left').enrollToken();
    const after = await startHostApp({ ...SETUP, on: before.database, options: withFactors() });
    const user = new TokenUser(after, 'left');
    const login = await user.loginAnswer();
    expect(login.body).toMatchObject({ mfaRequired: true, methods: ['backup_code'] });
    expect((await user.prove(login.body.mfa_token, '000000')).body).toMatchObject(rejected);
    const status = await user.get('/mfa/status').expect(200);
    expect(status.body).toMatchObject({ enabled: true, authenticators: [], proof: ['code'] });
    expect((await user.signInBy(backupCodes![0]!, null)).status).toBe(200);
    await user.post('/mfa/disable', { code: backupCodes![1] }).expect(200);
    expect((await user.loginAnswer()).body.mfaRequired).toBeUndefined();
    await after.close();
    await before.close();
  });
});

describe('a class in `factors` that cannot work ends the boot', () => {
  afterEach(() => vi.restoreAllMocks());

  @Injectable()
  class Good extends MfaFactor {
    readonly method: string = 'good';
    readonly budget: 'other' | null = 'other';

    match() {
      return null;
    }

    describe() {
      return [];
    }

    forget() {}
  }
  class Twin extends Good {}
  class Reserved extends Good {
    override readonly method = 'totp';
  }
  class Named extends Good {
    override readonly method = 'Has spaces';
  }
  class Long extends Good {
    override readonly method = 'thirteen_char';
  }
  class Budgeted extends Good {
    override readonly budget = 'totp' as never;
  }
  class Uncounted extends Good {
    override readonly budget = null;
  }
  class Matchless extends Good {
    override match = undefined as never;
  }
  class Forgetless extends Good {
    override forget = undefined as never;
  }
  const boot = (...factors: (new () => MfaFactor)[]) => startHostApp({ options: { factors } });

  it.each([
    [
      'with the method of another',
      [Good, Twin],
      /factors Good and Twin have the same method 'good'\. Give each one its own/,
    ],
    [
      'with a method of the module',
      [Reserved],
      /factor Reserved: the method 'totp' belongs to the module\. Choose another name/,
    ],
    ['with a method of other characters', [Named], /factor Named: `method` must have 1 to 12 characters of a-z and _/],
    ['with a long method', [Long], /factor Long: `method` must have 1 to 12/],
    ['with an unknown budget', [Budgeted], /factor Budgeted: `budget` must be 'other' or null/],
    ['whose guesses nobody counts', [Uncounted], /factor Uncounted: `budget: null` also needs `unguessable = true`/],
    ['without match', [Matchless], /factor Matchless: the method `match\(\)` is missing\. Extend MfaFactor/],
    ['without forget', [Forgetless], /factor Forgetless: the method `forget\(\)` is missing/],
  ])('%s', async (_title, factors, message) => {
    await expect(boot(...(factors as (new () => MfaFactor)[]))).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(message),
    });
  });

  it.each([[{}], ['Good'], [[{}]], [[null]]])('%j is not a list of classes', async (factors) => {
    const booting = startHostApp({ options: { factors: factors as never } });
    await expect(booting).rejects.toThrow(/option `factors` must be a list/);
  });
});
