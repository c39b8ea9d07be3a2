import { BY_TEST, RESET } from '../support/reset.js';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService, TotpService } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, providerNamed, startHostApp, type HostApp } from '../support/host-app.js';

/** Guesses are not what these specs are about. */
const PATIENT = { ...FEW_CODES, attempts: { maxFailures: 1000, dailyBurst: 1000, disableAfter: 1000 } };

/** The code in digits of a script whose zero this is. */
const inDigitsFrom = (zero: number) => (code: string) =>
  code.replace(/[0-9]/g, (digit) => String.fromCodePoint(zero + Number(digit)));

const SPELLINGS: [string, (code: string) => string][] = [
  ['spaces', (code) => ` ${code.slice(0, 3)} ${code.slice(3)} `],
  ['hyphens', (code) => [...code].join('-')],
  ['a no-break space and a dash', (code) => `${code.slice(0, 2)}\u00a0${code.slice(2, 4)}\u2013${code.slice(4)}`],
  ['full-width digits', inDigitsFrom(0xff10)],
  ['Arabic-Indic digits after a right-to-left mark', (code) => `\u200f${inDigitsFrom(0x660)(code)}`],
  ['Devanagari digits', inDigitsFrom(0x966)],
  ['Adlam digits, which are outside the basic plane', inDigitsFrom(0x1e950)],
  ['zero-width joiners and soft hyphens', (code) => [...code].join('\u200d\u00ad')],
];

let users = 0;
const userOf = (host: HostApp) => new Client(host, `verifying-${(users += 1)}`);

describe('verification', () => {
  let host: HostApp;
  const newUser = () => userOf(host);

  beforeAll(async () => {
    host = await startHostApp({ options: PATIENT });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  it('gives completeLogin the user, the factors, the time and the number of backup codes left', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    await user.signIn(authenticator.code());
    const { userId } = user;
    const mfaAt = new Date(host.clock.nowMs());
    const totp = { userId, amr: ['otp', 'mfa'], mfaAt, factor: 'totp', backupCodesRemaining: 4, enrollmentDueAt: null };
    expect(host.state.completedLogins.at(-1)).toEqual(totp);
    await user.signIn(backupCodes[0]!);
    const backup = {
      userId,
      amr: ['mfa'],
      mfaAt,
      factor: 'backup_code',
      backupCodesRemaining: 3,
      enrollmentDueAt: null,
    };
    expect(host.state.completedLogins.at(-1)).toEqual(backup);
  });

  describe('S23 the window', () => {
    it.each([0, 29_999])('accepts exactly the steps T-1, T and T+1, %i ms into the step', async (intoStepMs) => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      host.clock.set(Math.ceil(host.clock.nowMs() / 30_000) * 30_000 + 60_000 + intoStepMs);
      for (const step of [-2, 2, -3, 3]) {
        await user.verify(await user.login(), authenticator.code(step)).expect(401, /MFA_CODE_REJECTED/);
      }
      for (const step of [1, -1, 0]) await user.verify(await user.login(), authenticator.code(step)).expect(200);
    });

    it.each([
      [0, [0], [-1, 1]],
      [2, [-2, -1, 0, 1, 2], [-3, 3]],
    ])('of %i steps accepts the steps %j and refuses %j', async (window, accepted, refused) => {
      const other = await startHostApp({ options: { ...PATIENT, totp: { window } } });
      const user = userOf(other);
      const { authenticator } = await user.enroll();
      other.clock.advance(300);
      for (const step of refused) await user.verify(await user.login(), authenticator.code(step)).expect(401);
      for (const step of accepted) await user.verify(await user.login(), authenticator.code(step)).expect(200);
      await other.close();
    });
  });

  it('verifies by the algorithm, digits and period of each authenticator', async () => {
    const totp = { algorithm: 'SHA512', digits: 8, periodSeconds: 60 } as const;
    const other = await startHostApp({ on: host.database, options: { ...PATIENT, totp } });
    const [elder, user] = [newUser(), userOf(other)];
    const old = await elder.enroll();
    other.clock.set(host.clock.nowMs());
    const { authenticator } = await user.enroll();
    other.clock.advance(60);
    expect(authenticator.code()).toMatch(/^\d{8}$/);
    await user.signIn(authenticator.code());
    host.clock.set(other.clock.nowMs());
    await new Client(other, elder.userId).signIn(old.authenticator.code());
    await other.close();
  });

  describe('S24 S25 S77 one code in several spellings', () => {
    it.each(SPELLINGS)('is accepted with %s', async (_, spell) => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      await user.verify(await user.login(), spell(authenticator.code())).expect(200);
    });

    it.each(SPELLINGS)(
      'is refused with %s once it is spent, and the plain code is refused once that spelling is spent',
      async (_, spell) => {
        const user = newUser();
        const { authenticator } = await user.enroll();
        await user.signIn(authenticator.code());
        await user.verify(await user.login(), spell(authenticator.code())).expect(401, /MFA_CODE_REJECTED/);
        await user.signIn(spell(authenticator.code(1)));
        await user.verify(await user.login(), authenticator.code(1)).expect(401, /MFA_CODE_REJECTED/);
      },
    );

    it('S77 counts a wrong code in foreign digits, and refuses numerals that are not decimal digits without counting', async () => {
      const user = newUser();
      await user.enroll();
      await user.verify(await user.login(), inDigitsFrom(0x660)('000000')).expect(401, /MFA_CODE_REJECTED/);
      await user.verify(await user.login(), '一二三四五六').expect(401, /MFA_CODE_REJECTED/);
      expect(await failuresOf(user)).toMatchObject({ totp_failures: 1, backup_code_failures: 0 });
    });

    it('S25 S77 is counted against one budget in every spelling', async () => {
      const user = newUser();
      await user.enroll();
      const token = await user.login();
      for (const [, spell] of SPELLINGS) await user.verify(token, spell('000000')).expect(401);
      expect(await failuresOf(user)).toMatchObject({ totp_failures: SPELLINGS.length, backup_code_failures: 0 });
    });
  });

  async function failuresOf({ userId, host: { dataSource } }: Client): Promise<Record<string, number>> {
    const [row] = await dataSource.query(`SELECT * FROM mfa_account WHERE user_id = '${userId}'`);
    return row;
  }

  describe('S27 an accepted code', () => {
    type Use = (user: Client, code: string) => PromiseLike<{ status: number; body: { code?: string } }>;
    const idOf = async (user: Client) => (await user.get('/mfa/status')).body.authenticators.at(-1)?.id as string;

    const USES: [string, Use][] = [
      ['verify', async (user, code) => user.verify(await user.login(), code)],
      ['step-up', (user, code) => user.post('/mfa/step-up', { code })],
      ['regenerate', (user, code) => user.post('/mfa/backup-codes/regenerate', { code })],
      ['setup', (user, code) => user.post('/mfa/totp/setup', { code })],
      ['remove', async (user, code) => user.post(`/mfa/authenticators/${await idOf(user)}/remove`, { code })],
      ['disable', (user, code) => user.post('/mfa/disable', { code })],
    ];
    const LASTING = USES.filter(([name]) => name !== 'disable');

    async function expectRefusedEverywhere(user: Client, code: string): Promise<void> {
      for (const [name, use] of USES) {
        const { status, body } = await use(user, code);
        expect({ name, status, code: body.code }).toEqual({ name, status: 401, code: 'MFA_CODE_REJECTED' });
      }
    }

    it.each(LASTING)('is refused at every endpoint, through its whole window, after use at %s', async (_, use) => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      await user.enrollAnother(authenticator.code());
      const code = authenticator.code(1);
      expect(await use(user, code)).toMatchObject({ status: 200 });
      await expectRefusedEverywhere(user, code);
      for (let step = 0; step < 3; step += 1) {
        host.clock.advance(30);
        await user.verify(await user.login(), code).expect(401, /MFA_CODE_REJECTED/);
      }
    });

    it('is refused at every endpoint after use at confirm', async () => {
      const user = newUser();
      const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      const code = new VirtualAuthenticator(setup.body.otpauthUri, host.clock).code();
      await user.post('/mfa/totp/confirm', { code }).expect(200);
      await expectRefusedEverywhere(user, code);
    });

    it('is refused at confirm, after it was accepted before', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const code = authenticator.code();
      await user.post('/mfa/totp/setup', { code }).expect(200);
      await user.post('/mfa/totp/confirm', { code }).expect(401, /MFA_CODE_REJECTED/);
    });

    it('stays spent when the disabling that used it is refused', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const accounts = providerNamed<{ commit(): Promise<unknown> }>(host, 'MfaAccountStore');
      vi.spyOn(accounts, 'commit').mockRejectedValueOnce(new Error('no database'));
      await user.post('/mfa/disable', { code: authenticator.code() }).expect(500);
      await expectRefusedEverywhere(user, authenticator.code());
    });
  });

  it('S31 accepts the same code value from each of two users', async () => {
    const [alice, bob] = [newUser(), newUser()];
    const { authenticator } = await alice.enroll();
    const { id } = await bob.enroll();
    const [row] = await host.dataSource.query(`SELECT * FROM mfa_authenticator WHERE user_id = '${alice.userId}'`);
    const totp = host.app.get(TotpService, { strict: false });
    const secret = totp.decryptSecret(row.secret, { userId: alice.userId, authenticatorId: row.id });
    const sealed = totp.encryptSecret(secret, { userId: bob.userId, authenticatorId: id });
    await host.dataSource.query('UPDATE mfa_authenticator SET secret = ? WHERE id = ?', [sealed, id]);
    await alice.verify(await alice.login(), authenticator.code()).expect(200);
    await bob.verify(await bob.login(), authenticator.code()).expect(200);
  });

  it('S66 returns identical bytes for wrong, replayed, used and expired codes, and after disabling', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    await user.signIn(authenticator.code());
    await user.signIn(backupCodes[0]!);
    host.clock.advance(30);
    const attempts = {
      wrong: '000000',
      'wrong backup code': 'AAAA-AAAA',
      replayed: authenticator.code(-1),
      used: backupCodes[0],
      'expired by window': authenticator.code(-2),
      'of neither shape': 'hello',
    };
    const answers = [];
    for (const code of Object.values(attempts)) answers.push(await user.verify(await user.login(), code).expect(401));

    const accounts = providerNamed<{ reserve(...args: unknown[]): Promise<boolean> }>(host, 'MfaAccountStore');
    const reserve = accounts.reserve.bind(accounts);
    for (const change of ['reset', 'purgeUser'] as const) {
      vi.spyOn(accounts, 'reserve').mockImplementationOnce(async (...args) => {
        const admin = host.app.get(MfaAdminService, { strict: false });
        await (change === 'reset' ? admin.reset(user.userId, RESET) : admin.purgeUser(user.userId, BY_TEST));
        return reserve(...args);
      });
      answers.push(await user.verify(await user.login(), authenticator.code()).expect(401));
      await user.enroll();
    }

    const seen = answers.map(({ text, headers: { date: _, ...headers } }) => JSON.stringify({ text, headers }));
    expect(new Set(seen).size).toBe(1);
    expect(answers[0]!.body).toEqual({
      statusCode: 401,
      code: 'MFA_CODE_REJECTED',
      message: expect.stringContaining('wait for the next one'),
      error: 'Unauthorized',
    });
  });

  it('S66 S43 refuses a code when MFA is disabled between its match and its spending', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const usage = providerNamed<{ spend(...args: unknown[]): Promise<boolean> }>(host, 'MfaUsageStore');
    const spend = usage.spend.bind(usage);
    vi.spyOn(usage, 'spend').mockImplementationOnce(async (...args) => {
      await host.app.get(MfaAdminService, { strict: false }).reset(user.userId, RESET);
      return spend(...args);
    });
    await user.verify(await user.login(), authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
  });

  describe('S29 S45 a store that returns anything but success', () => {
    const NO_SUCCESS = [undefined, null, 0, 1, 'true', {}, false];
    const PLACES = [
      ['MfaUsageStore', 'spend'],
      ['MfaAccountStore', 'reserve'],
    ] as const;

    it.each(PLACES)('accepts nothing when %s.%s returns anything but true', async (store, method) => {
      const user = newUser();
      const { authenticator, id } = await user.enroll();
      const token = await user.login();
      const logins = host.state.completedLogins.length;
      const instance = providerNamed<Record<string, () => Promise<unknown>>>(host, store);
      const code = authenticator.code();
      for (const answer of NO_SUCCESS) {
        vi.spyOn(instance, method).mockResolvedValue(answer);
        await user.verify(token, code).expect(401);
        await user.post('/mfa/step-up', { code }).expect(401);
        await user.post('/mfa/disable', { code }).expect(401);
        await user.post('/mfa/backup-codes/regenerate', { code }).expect(401);
        await user.post(`/mfa/authenticators/${id}/remove`, { code }).expect(401);
        await user.post('/mfa/totp/setup', { code }).expect(401);
      }
      vi.restoreAllMocks();
      expect(host.state.completedLogins).toHaveLength(logins);
      expect((await user.get('/mfa/status')).body).toMatchObject({ enabled: true, pendingSetup: false });
      await user.verify(token, code).expect(200);
    });

    it.each([
      ['MfaUsageStore', 'spend'],
      ['MfaAccountStore', 'reserve'],
      ['MfaAccountStore', 'settle'],
      ['MfaAccountStore', 'loadWith'],
    ])('completes no login when %s.%s throws', async (store, method) => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const token = await user.login();
      const logins = host.state.completedLogins.length;
      const instance = providerNamed<Record<string, () => Promise<unknown>>>(host, store);
      vi.spyOn(instance, method).mockRejectedValue(new Error('no database'));
      await user.verify(token, authenticator.code()).expect(500);
      expect(host.state.completedLogins).toHaveLength(logins);
    });

    it.each([undefined, null, 0, 1, 'true', {}, false])(
      'accepts nothing when MfaVerificationStore returns %j',
      async (answer) => {
        const user = newUser();
        const { authenticator } = await user.enroll();
        const token = await user.login();
        const logins = host.state.completedLogins.length;
        const store = providerNamed<Record<string, () => Promise<unknown>>>(host, 'MfaVerificationStore');
        const code = authenticator.code();
        for (const method of ['reserveAttempt', 'spendAndSettle']) {
          vi.spyOn(store, method).mockResolvedValue(answer);
          await user.verify(token, code).expect(401);
          await user.post('/mfa/disable', { code }).expect(401);
          expect((await user.post('/mfa/step-up', { code })).status).toBeGreaterThanOrEqual(400);
          vi.restoreAllMocks();
        }
        const begin = store.reserveAttempt!.bind(store) as (...args: unknown[]) => Promise<object>;
        vi.spyOn(store, 'reserveAttempt').mockImplementation(async (...args) => ({
          ...(await begin(...args)),
          reserved: answer,
        }));
        await user.verify(token, code).expect(401, /MFA_CODE_REJECTED/);
        vi.restoreAllMocks();
        expect(host.state.completedLogins).toHaveLength(logins);
        await user.verify(token, code).expect(200);
      },
    );

    it('admits no token when MfaAccountStore.loadWith returns nothing', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const token = await user.login();
      const accounts = providerNamed<{ loadWith(): Promise<unknown> }>(host, 'MfaAccountStore');
      vi.spyOn(accounts, 'loadWith').mockResolvedValue(undefined);
      await user.verify(token, authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
    });

    it.each([undefined, 0, false])(
      'changes nothing and returns 503 when MfaAccountStore.commit returns %j',
      async (answer) => {
        const user = newUser();
        const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
        const authenticator = new VirtualAuthenticator(body.otpauthUri, host.clock);
        const accounts = providerNamed<{ commit(): Promise<unknown> }>(host, 'MfaAccountStore');
        vi.spyOn(accounts, 'commit').mockResolvedValue(answer);
        const answered = await user.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(503, /MFA_BUSY/);
        expect(answered.get('Retry-After')).toBe('1');
        expect((await user.get('/mfa/status')).body).toMatchObject({ enabled: false, pendingSetup: true });
      },
    );
  });

  describe('S30 a database that fails for a moment', () => {
    const CODES = ['40001', '40P01', '25P02', 1205, 1213, 1020, 'SQLITE_BUSY'];

    /** Every INSERT into the usage table fails with `code`, the first `times` times. SQLite has one query runner. */
    function failSpending(code: string | number, times: number): void {
      const runner = host.dataSource.createQueryRunner();
      const query = runner.query.bind(runner);
      let left = times;
      const failing = async (text: string, ...rest: [unknown[]?, true?]) => {
        if (!/INSERT INTO\s+"mfa_usage"/.test(text) || left-- <= 0) return query(text, ...(rest as [unknown[], true]));
        throw Object.assign(new Error('try again'), typeof code === 'number' ? { errno: code } : { code });
      };
      vi.spyOn(runner, 'query').mockImplementation(failing as typeof runner.query);
    }

    it.each(CODES)('never accepts on %s: it returns 503, and the code is still valid afterwards', async (code) => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const token = await user.login();
      failSpending(code, Infinity);
      const answer = await user.verify(token, authenticator.code()).expect(503, /MFA_BUSY/);
      expect(answer.get('Retry-After')).toBe('1');
      vi.restoreAllMocks();
      await user.verify(token, authenticator.code()).expect(200);
    });

    it('is retried', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const token = await user.login();
      failSpending('40001', 2);
      await user.verify(token, authenticator.code()).expect(200);
    });

    it('accepts nothing on any other failure either', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      const token = await user.login();
      failSpending('XX000', Infinity);
      await user.verify(token, authenticator.code()).expect(500);
    });
  });
});
