import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Response } from 'supertest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

const count = (answers: Response[], status: number) => answers.filter((each) => each.status === status).length;

/** Exactly one 2xx; every other answer 401 or 429, never 5xx (S34a). */
function expectOneWinner(answers: Response[]): Response {
  const others = answers.filter(({ status }) => status !== 200);
  expect(others.length).toBe(answers.length - 1);
  expect(others.filter(({ status }) => status !== 401 && status !== 429)).toEqual([]);
  return answers.find(({ status }) => status === 200)!;
}

const times = <T>(n: number, make: (index: number) => PromiseLike<T>) =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));

describe.each(testDatabases)('races on %s', (kind) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `racer-${(users += 1)}`);
  // A login that was in flight during a change is superseded, and then the host ends every session of the user.
  const inNewSession = ({ userId }: Client) => new Client(host, userId);

  beforeAll(async () => {
    const pool =
      kind === 'postgres' ? { extra: { max: 20 } } : kind === 'mariadb' ? { extra: { connectionLimit: 20 } } : {};
    host = await startHostApp({ database: kind, dataSource: pool });
  });
  afterAll(() => host.close());

  it('S14 twenty parallel setups leave one pending row, and every response has its secret', async () => {
    const user = newUser();
    const answers = await times(20, () => user.post('/mfa/totp/setup', { password: PASSWORD }));
    expect(count(answers, 200)).toBe(20);
    expect(new Set(answers.map(({ body }) => body.secret)).size).toBe(1);
    const repeated = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    expect(repeated.body.secret).toBe(answers[0]!.body.secret);
  });

  it('S17 one of twenty parallel confirmations succeeds, and one set of backup codes exists', async () => {
    const user = newUser();
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const app = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    const answers = await times(20, (i) => user.post('/mfa/totp/confirm', { code: app.code((i % 3) - 1) }));
    expectOneWinner(answers);
    const { body } = await user.get('/mfa/status').expect(200);
    expect(body).toMatchObject({ enabled: true, backupCodes: { remaining: 10 } });
    expect(body.authenticators).toHaveLength(1);
  });

  it('S28 S70 one of fifty parallel submissions of one code succeeds, and the account stays unlocked', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const tokens = await times(50, () => user.login());
    const answers = await times(50, (i) => user.verify(tokens[i], authenticator.code()));
    expectOneWinner(answers);
    await user.verify(await user.login(), authenticator.code(1)).expect(200);
  });

  it('S34a a successful double submission leaves the account unlocked', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    for (let login = 0; login < 3; login += 1) {
      const token = await user.login();
      const answers = await times(2, () => user.verify(token, authenticator.code()));
      expectOneWinner(answers);
      host.clock.advance(30);
    }
    const tokens = await times(4, () => user.login());
    // Four wrong codes fit before the lock, so no failure and no lock was left.
    for (const token of tokens) await user.verify(token, '000000').expect(401);
    await user.verify(await user.login(), authenticator.code()).expect(200);
  });

  it('S32 a backup code is accepted once under fifty parallel uses', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    const tokens = await times(50, () => user.login());
    const answers = await times(50, (i) => user.verify(tokens[i], backupCodes[0]));
    expectOneWinner(answers);
    expect((await user.get('/mfa/status')).body.backupCodes.remaining).toBe(9);
  });

  it('S33 a regeneration parallel to a use leaves exactly one intact set', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    const [regenerated, used] = await Promise.all([
      user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }),
      user.verify(token, backupCodes[0]),
    ]);
    expect(regenerated.status).toBe(200);
    expect([200, 401]).toContain(used.status);
    const fresh: string[] = regenerated.body.backupCodes;
    expect((await inNewSession(user).get('/mfa/status').expect(200)).body.backupCodes.remaining).toBe(10);
    const old = await user.verify(await user.login(), backupCodes[1]);
    expect(old.status).toBe(401);
    await user.verify(await user.login(), fresh[0]).then(({ status }) => expect(status).toBe(200));
  });

  it('S33 two parallel regenerations leave one set of codes, and no other exists', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const answers = await times(2, (i) => user.post('/mfa/backup-codes/regenerate', { code: authenticator.code(i) }));
    const sets = answers.filter(({ status }) => status === 200).map(({ body }) => body.backupCodes as string[]);
    expect(sets.length).toBeGreaterThan(0);
    expect((await user.get('/mfa/status')).body.backupCodes.remaining).toBe(10);
    const live = await host.dataSource.query(
      `SELECT DISTINCT set_id FROM mfa_backup_code WHERE user_id = '${user.userId}'`,
    );
    expect(live).toHaveLength(1);
    const tries = [];
    for (const set of sets) tries.push((await user.verify(await user.login(), set[0])).status);
    expect(
      count(
        tries.map((status) => ({ status }) as Response),
        200,
      ),
    ).toBe(1);
  });

  it('S34 one mfa_token in twenty parallel valid verifications is one login, and the other codes stay valid', async () => {
    const user = newUser();
    const { backupCodes, authenticator } = await user.enroll();
    const token = await user.login();
    const codes = [...backupCodes, authenticator.code(-1), authenticator.code(0), authenticator.code(1)];
    const answers = await times(20, (i) => user.verify(token, codes[i % codes.length]));
    const winner = expectOneWinner(answers);
    expect(
      answers
        .filter(({ status }) => status === 401)
        .every(({ body }) => ['MFA_CODE_REJECTED', 'MFA_TOKEN_INVALID'].includes(body.code)),
    ).toBe(true);
    const spentByWinner = host.state.completedLogins.at(-1)!.factor === 'backup_code' ? 1 : 0;
    expect(winner.body.accessToken).toBeTruthy();
    expect((await user.get('/mfa/status')).body.backupCodes.remaining).toBe(10 - spentByWinner);
  });

  it('S50 a hundred parallel wrong guesses over a hundred tokens evaluate at most the budget', async () => {
    const user = newUser();
    await user.enroll();
    const tokens = await times(100, () => user.login());
    const answers = await times(100, (i) => user.verify(tokens[i], '000000'));
    expect(count(answers, 200)).toBe(0);
    expect(count(answers, 401)).toBe(5);
    expect(count(answers, 429)).toBe(95);
  });

  it('S59 disabling parallel to verifications leaves no valid token or credential', async () => {
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    const tokens = await times(5, () => user.login());
    const [disabled, ...verified] = await Promise.all([
      user.post('/mfa/disable', { code: authenticator.code() }),
      ...tokens.map((token, i) => user.verify(token, backupCodes[i])),
    ]);
    expect(disabled!.status).toBe(200);
    expect(verified.filter(({ status }) => status >= 500)).toEqual([]);
    const later = await times(5, (i) => user.verify(tokens[i], backupCodes[i + 5]));
    expect(later.map(({ body }) => body.code)).toEqual(Array(5).fill('MFA_TOKEN_INVALID'));
    expect((await inNewSession(user).get('/mfa/status').expect(200)).body.enabled).toBe(false);
  });
});
