import { BY_TEST } from '../support/reset.js';
import argon2 from 'argon2';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { dumpTables, FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

const WRONG = '000000';
const WRONG_BACKUP = 'AAAA-AAAA';
const FIFTEEN_MINUTES = 900;

describe('attempt budgets', () => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `guessing-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  async function failures({ userId }: Client): Promise<Record<string, number>> {
    const [row] = await host.dataSource.query(`SELECT * FROM mfa_account WHERE user_id = '${userId}'`);
    const { totp_failures: totp, backup_code_failures: backup, password_failures: password } = row;
    return { totp, backup, password, confirmation: row.confirmation_failures };
  }

  async function fail(user: Client, code: string, times = 5): Promise<void> {
    const token = await user.login();
    for (let i = 0; i < times; i += 1) await user.verify(token, code).expect(401, /MFA_CODE_REJECTED/);
  }

  it('S57 return 429 for a locked factor, with the seconds to wait in header and body', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await fail(user, WRONG);
    host.clock.advance(100);
    const answer = await user.verify(await user.login(), authenticator.code()).expect(429);
    expect(answer.body).toEqual({
      statusCode: 429,
      code: 'MFA_LOCKED',
      message: expect.any(String),
      error: 'Too Many Requests',
      retryAfterSeconds: FIFTEEN_MINUTES - 100,
    });
    expect(answer.get('Retry-After')).toBe(String(FIFTEEN_MINUTES - 100));
    expect(answer.get('Cache-Control')).toBe('no-store');
  });

  it('admit attempts when the lock ends, and a success ends the run of failures', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await fail(user, WRONG);
    host.clock.advance(FIFTEEN_MINUTES - 1);
    await user.verify(await user.login(), authenticator.code()).expect(429);
    host.clock.advance(1);
    await user.verify(await user.login(), authenticator.code()).expect(200);
    expect(await failures(user)).toMatchObject({ totp: 0 });
  });

  it('S54 stop at the daily cap, which a success does not refill', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    for (let round = 0; round < 5; round += 1) {
      await fail(user, WRONG, 2);
      if (round < 4) await user.signIn(authenticator.code());
      host.clock.advance(30);
    }
    const answer = await user.verify(await user.login(), authenticator.code()).expect(429, /MFA_LOCKED/);
    expect(answer.body.retryAfterSeconds).toBeGreaterThan(7000);
  });

  it('S53 count a wrong code at every endpoint against one budget', async () => {
    const user = newUser();
    const { id } = await user.enroll();
    const paths = ['step-up', 'disable', 'backup-codes/regenerate', `authenticators/${id}/remove`];
    for (const [index, path] of paths.entries()) {
      await user.post(`/mfa/${path}`, { code: WRONG }).expect(401, /MFA_CODE_REJECTED/);
      expect(await failures(user)).toMatchObject({ totp: index + 1 });
    }
    await user.post('/mfa/totp/setup', { code: WRONG }).expect(401, /MFA_CODE_REJECTED/);
    await user.verify(await user.login(), WRONG).expect(429, /MFA_LOCKED/);
    for (const path of [...paths, 'totp/setup']) await user.post(`/mfa/${path}`, { code: WRONG }).expect(429);
  });

  it('S53 count confirmations by a separate budget', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await user.post('/mfa/totp/setup', { code: authenticator.code() }).expect(200);
    for (let i = 0; i < 5; i += 1) await user.post('/mfa/totp/confirm', { code: WRONG }).expect(401);
    const locked = await user.post('/mfa/totp/confirm', { code: WRONG }).expect(429, /MFA_LOCKED/);
    expect(locked.get('Retry-After')).toBe(String(FIFTEEN_MINUTES));
    expect(await failures(user)).toEqual({ totp: 0, backup: 0, password: 0, confirmation: 5 });
    await user.signIn(authenticator.code(1));
  });

  it('S12 count wrong passwords of the first setup by a separate budget', async () => {
    const user = newUser();
    const setup = (password: string) => user.post('/mfa/totp/setup', { password });
    for (let i = 0; i < 5; i += 1) await setup('guess').expect(401, /MFA_PROOF_REQUIRED/);
    expect((await setup(PASSWORD).expect(429, /MFA_LOCKED/)).get('Retry-After')).toBe(String(FIFTEEN_MINUTES));
    expect(await failures(user)).toEqual({ totp: 0, backup: 0, password: 5, confirmation: 0 });
    host.clock.advance(FIFTEEN_MINUTES);
    await setup(PASSWORD).expect(200);
    expect(await failures(user)).toMatchObject({ password: 0 });
  });

  it('S56 lock TOTP without locking backup codes, and backup codes without locking TOTP', async () => {
    const [one, two] = [newUser(), newUser()];
    const first = await one.enroll();
    await fail(one, WRONG);
    await one.verify(await one.login(), first.authenticator.code()).expect(429);
    await one.signIn(first.backupCodes[0]!);
    expect(await failures(one)).toMatchObject({ totp: 5, backup: 0 });

    const second = await two.enroll();
    await fail(two, WRONG_BACKUP);
    await two.verify(await two.login(), second.backupCodes[0]).expect(429);
    await two.signIn(second.authenticator.code());
    expect(await failures(two)).toMatchObject({ totp: 0, backup: 5 });
  });

  it('S57 cause no Argon2 for a backup code while the factor is locked', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    await fail(user, WRONG_BACKUP);
    const token = await user.login();
    const hash = vi.spyOn(argon2, 'hash');
    await user.verify(token, backupCodes[0]).expect(429);
    expect(hash).not.toHaveBeenCalled();
  });

  it('S51 are not refilled by a new token, session or address', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    for (let i = 0; i < 5; i += 1) {
      const another = new Client(host, user.userId);
      const attempt = another.verify(await another.login(), WRONG).set('X-Forwarded-For', `192.0.2.${i}`);
      await attempt.expect(401);
    }
    await user.verify(await user.login(), authenticator.code()).expect(429);
    await new Client(host, user.userId).post('/mfa/step-up', { code: authenticator.code() }).expect(429);
  });

  it('S55 are not changed by requests of a stranger, and neither is any row', async () => {
    const user = newUser();
    const { authenticator, id } = await user.enroll();
    await user.login();
    const before = await dumpTables(host);
    const server = host.app.getHttpServer();
    const code = authenticator.code();
    for (const mfa_token of [undefined, '', 'x', 'a.b.c', user.userId]) {
      await request(server)
        .post('/mfa/verify')
        .send({ mfa_token, code, userId: user.userId, sub: user.userId })
        .expect(401);
    }
    for (const path of [
      'totp/setup',
      'totp/confirm',
      'step-up',
      'disable',
      'backup-codes/regenerate',
      `authenticators/${id}/remove`,
    ]) {
      const answer = await request(server).post(`/mfa/${path}`).send({ code, password: 'x', userId: user.userId });
      expect(answer.body.code).toBe('MFA_NOT_AUTHENTICATED');
    }
    await request(server)
      .get('/mfa/status')
      .expect(401, /MFA_NOT_AUTHENTICATED/);
    await request(server).patch(`/mfa/authenticators/${id}`).send({ name: 'X' }).expect(401);
    expect(await dumpTables(host)).toEqual(before);
  });

  it.each(['hello', '12345', '123456789', 'ABCD-EFG', '  -  ', 'ÄÖÜ-ÄÖÜÄ'])(
    'S24 count no attempt for %j, which has neither shape and is refused',
    async (code) => {
      const user = newUser();
      await user.enroll();
      const token = await user.login();
      const before = await dumpTables(host);
      await user.verify(token, code).expect(401, /MFA_CODE_REJECTED/);
      await user.post('/mfa/disable', { code }).expect(401, /MFA_CODE_REJECTED/);
      expect(await dumpTables(host)).toEqual(before);
    },
  );

  it('lose every lock when an administrator unlocks the user', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    await fail(user, WRONG);
    await host.app.get(MfaAdminService, { strict: false }).unlock(user.userId, BY_TEST);
    await user.signIn(authenticator.code());
  });

  it('S54 double the lock up to the longest, then disable the factor, as one options object configures', async () => {
    const attempts = {
      maxFailures: 2,
      lockSeconds: 7,
      maxLockSeconds: 20,
      dailyBurst: 8,
      dailyRefill: 8,
      disableAfter: 6,
    };
    const other = await startHostApp({ options: { ...FEW_CODES, attempts } });
    const user = new Client(other, 'configured');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    const waits: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 2; i += 1) await user.verify(token, WRONG).expect(401);
      const { body } = await user.verify(token, authenticator.code()).expect(429);
      waits.push(body.retryAfterSeconds);
      other.clock.advance(20);
    }
    expect(waits).toEqual([7, 14, 20]);
    await user.verify(token, authenticator.code()).expect(429);
    await other.close();
  });
});
