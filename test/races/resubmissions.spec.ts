import type { Response } from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

const BUDGETS = ['totp', 'backup_code', 'confirmation'] as const;
const WRONG = '000000';
const WRONG_BACKUP = 'ZZZZ-ZZZZ';

/** A right code that is already spent is not a guess. Wrong codes are counted as usual. */
describe.each(testDatabases)('resubmissions of right codes on %s', (kind) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `again-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: FEW_CODES });
  });
  afterAll(() => host.close());

  async function budgets({ userId }: Client) {
    const [row] = await host.dataSource.query(`SELECT * FROM mfa_account WHERE user_id = '${userId}'`);
    return BUDGETS.map((factor) => [Number(row[`${factor}_failures`]), Number(row[`${factor}_locked_until`])]);
  }
  const UNLOCKED = BUDGETS.map(() => [0, 0]);

  /** Sends six times what was accepted before; gives the answers as they are on the wire. */
  async function sixTimes(send: () => PromiseLike<Response>): Promise<Set<string>> {
    const answers = new Set<string>();
    for (let i = 0; i < 6; i += 1) {
      const { status, body, headers } = await send();
      expect([status, body.code]).toEqual([401, 'MFA_CODE_REJECTED']);
      const rest = { ...headers, date: '' };
      answers.add(JSON.stringify({ body, rest }));
    }
    return answers;
  }

  it('S70 S66 leave a login unlocked after six submissions of one TOTP code, with the response of a wrong one', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const code = authenticator.code();
    await user.verify(await user.login(), code).expect(200);
    const answers = await sixTimes(async () => user.verify(await user.login(), code));
    expect(await budgets(user)).toEqual(UNLOCKED);
    const wrong = await user.verify(await user.login(), WRONG).expect(401);
    const rest = { ...wrong.headers, date: '' };
    expect([...answers]).toEqual([JSON.stringify({ body: wrong.body, rest })]);
    await user.verify(await user.login(), authenticator.code(1)).expect(200);
  });

  it('S70 S27 leave a login unlocked after six submissions of an accepted code of the previous window', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const previous = authenticator.code(-1);
    // The step of the enrollment is over, and its code is spent: the one before now is that of the enrollment.
    await sixTimes(async () => user.verify(await user.login(), previous));
    const code = authenticator.code();
    await user.verify(await user.login(), code).expect(200);
    host.clock.advance(30);
    expect(authenticator.code(-1)).toBe(code);
    await sixTimes(async () => user.verify(await user.login(), code));
    expect(await budgets(user)).toEqual(UNLOCKED);
    await user.verify(await user.login(), authenticator.code()).expect(200);
  });

  it('S70 S32 leave backup codes unlocked after six submissions of one', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    await user.verify(await user.login(), backupCodes[0]).expect(200);
    await sixTimes(async () => user.verify(await user.login(), backupCodes[0]));
    expect(await budgets(user)).toEqual(UNLOCKED);
    await user.verify(await user.login(), backupCodes[1]).expect(200);
  });

  it('S70 S53 leave the account unlocked after six submissions at step-up and at every change of factors', async () => {
    const user = newUser();
    const { authenticator, backupCodes, id } = await user.enroll();
    const code = authenticator.code();
    await user.post('/mfa/step-up', { code }).expect(200);
    await user.post('/mfa/step-up', { code: backupCodes[0] }).expect(200);
    const paths = ['step-up', 'totp/setup', 'backup-codes/regenerate', `authenticators/${id}/remove`, 'disable'];
    for (const path of paths) {
      for (const spent of [code, backupCodes[0]]) await sixTimes(() => user.post(`/mfa/${path}`, { code: spent }));
    }
    expect(await budgets(user)).toEqual(UNLOCKED);
    await user.post('/mfa/step-up', { code: authenticator.code(1) }).expect(200);
    await user.post('/mfa/step-up', { code: backupCodes[1] }).expect(200);
  });

  it('S70 leave a confirmation unlocked after six submissions of a code that was spent without confirming', async () => {
    const user = newUser();
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    // A first confirmation died between the spending and the commit.
    const usage = host.app.get(MfaUsageStore, { strict: false });
    const [row] = await host.dataSource.query(
      `SELECT security_stamp FROM mfa_account WHERE user_id = '${user.userId}'`,
    );
    const step = Math.floor(host.clock.nowMs() / 30_000);
    const entries = [{ kind: 'totp', item: `${setup.body.authenticatorId}:${step}`, expiresAtMs: null }] as const;
    await usage.spend({
      userId: user.userId,
      securityStamp: Number(row.security_stamp),
      entries,
      nowMs: host.clock.nowMs(),
    });
    await sixTimes(() => user.post('/mfa/totp/confirm', { code: authenticator.code() }));
    expect(await budgets(user)).toEqual(UNLOCKED);
    await user.post('/mfa/totp/confirm', { code: authenticator.code(1) }).expect(200);
  });

  it('S70 S54 do not hide wrong codes: each one among spent codes counts, and the fifth locks', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    await user.verify(await user.login(), authenticator.code()).expect(200);
    await user.verify(await user.login(), backupCodes[0]).expect(200);
    for (let round = 1; round <= 5; round += 1) {
      await user.verify(await user.login(), authenticator.code()).expect(401);
      await user.verify(await user.login(), backupCodes[0]).expect(401);
      await user.verify(await user.login(), WRONG).expect(401);
      await user.verify(await user.login(), WRONG_BACKUP).expect(401);
      expect((await budgets(user)).slice(0, 2).map(([failures]) => failures)).toEqual([round, round]);
    }
    // Earned by five wrong codes: the right ones are locked out too, and end nothing.
    for (const code of [authenticator.code(), authenticator.code(1), backupCodes[0], backupCodes[1]]) {
      await user.verify(await user.login(), code).expect(429);
    }
    expect((await budgets(user)).slice(0, 2).map(([failures]) => failures)).toEqual([5, 5]);
  });

  it('S70 S28 leave the account unlocked after fifty parallel submissions of one code, twice', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    for (let round = 0; round < 2; round += 1) {
      const tokens = await Promise.all(Array.from({ length: 50 }, () => user.login()));
      const answers = await Promise.all(tokens.map((token) => user.verify(token, authenticator.code())));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(round === 0 ? 1 : 0);
      expect(answers.filter(({ status }) => ![200, 401, 429].includes(status))).toEqual([]);
      expect(await budgets(user)).toEqual(UNLOCKED);
    }
    await user.verify(await user.login(), authenticator.code(1)).expect(200);
  });

  it('S70 S50 do not raise the budget: five wrong codes of a mixed flood are evaluated', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const spent = authenticator.code();
    await user.verify(await user.login(), spent).expect(200);
    let wrong = 0;
    for (let round = 0; round < 12 && wrong < 5; round += 1) {
      const codes = Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? WRONG : spent));
      const tokens = await Promise.all(codes.map(() => user.login()));
      host.state.events.length = 0;
      await Promise.all(tokens.map((token, i) => user.verify(token, codes[i])));
      wrong += host.state.events.filter((event) => 'failure' in event && event.failure === 'wrong_code').length;
      expect((await budgets(user))[0]![0]).toBe(wrong);
    }
    expect(wrong).toBe(5);
    await user.verify(await user.login(), authenticator.code(1)).expect(429);
  });
});
