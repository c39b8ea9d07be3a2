import argon2 from 'argon2';
import { HOTP } from 'otpauth';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Response } from 'supertest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

/** The statements that a request ran, in order: `SELECT`, `UPDATE mfa_account`. */
const statements: string[] = [];
const shape = (query: string) =>
  /^\s*SELECT/.test(query) ? 'SELECT' : (/^\s*(\w+)[\s\S]*?(mfa_\w+)/.exec(query)?.slice(1, 3).join(' ') ?? query);
const logger = {
  logQuery: (query: string) => void statements.push(shape(query)),
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/** Work instead of time: what a request makes the server do. */
interface Work {
  argon2: number;
  hmacs: number;
  statements: string[];
}

describe('the work that a guess causes', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ dataSource: { logging: true, logger } });
  });
  afterAll(() => host.close());
  afterEach(() => vi.restoreAllMocks());

  async function measure(act: () => PromiseLike<Response>): Promise<Work & { status: number }> {
    const hash = vi.spyOn(argon2, 'hash');
    const generate = vi.spyOn(HOTP, 'generate');
    statements.length = 0;
    const { status } = await act();
    const work = { argon2: hash.mock.calls.length, hmacs: generate.mock.calls.length, statements: [...statements] };
    vi.restoreAllMocks();
    return { status, ...work };
  }

  async function enrolled(name: string) {
    const user = new Client(host, name);
    return { user, ...(await user.enroll()), token: await user.login() };
  }

  const WRONG = 'ZZZZ-ZZZ2';
  /** Ten steps on each side of now: those outside the window find the skew of a clock. */
  const WRONG_HMACS = 21;

  it('S37 a backup code guess costs one Argon2, right or wrong, however many codes are left', async () => {
    const { user, backupCodes } = await enrolled('guesser');
    const wrong = await measure(async () => user.verify(await user.login(), WRONG));
    const right = await measure(async () => user.verify(await user.login(), backupCodes[0]));
    const used = await measure(async () => user.verify(await user.login(), backupCodes[0]));
    for (const code of backupCodes.slice(1)) await user.verify(await user.login(), code).expect(200);
    const noneLeft = await measure(async () => user.verify(await user.login(), WRONG));
    expect([wrong, right, used, noneLeft].map(({ status }) => status)).toEqual([401, 200, 401, 401]);
    expect([wrong, right, used, noneLeft].map((each) => each.argon2)).toEqual([1, 1, 1, 1]);
    expect([wrong, right, used, noneLeft].map((each) => each.hmacs)).toEqual([0, 0, 0, 0]);
    expect(noneLeft.statements).toEqual(wrong.statements);
  });

  it('S37 it costs one Argon2 where the user has no set of codes at all', async () => {
    const { user, token } = await enrolled('without-set');
    const dataSource = host.app.get((await import('@nestjs/typeorm')).getDataSourceToken());
    await dataSource.query("UPDATE mfa_account SET backup_set_id = NULL WHERE user_id = 'without-set'");
    const { status, argon2: hashes } = await measure(() => user.verify(token, WRONG));
    expect([status, hashes]).toEqual([401, 1]);
  });

  it('S23 S66 a TOTP guess computes the whole window, whichever step matches, and a wrong one all steps around it too', async () => {
    const { user, authenticator } = await enrolled('window');
    // The step of the confirmation is spent.
    host.clock.advance(30);
    const works = [];
    for (const steps of [-1, 0, 1, 5, null]) {
      const code = steps === null ? '000000' : authenticator.code(steps);
      works.push(await measure(async () => user.verify(await user.login(), code)));
      host.clock.advance(120);
    }
    expect(works.map(({ status }) => status)).toEqual([200, 200, 200, 401, 401]);
    expect(works.map(({ hmacs }) => hmacs)).toEqual([3, 3, 3, WRONG_HMACS, WRONG_HMACS]);
    expect(works.map((each) => each.argon2)).toEqual([0, 0, 0, 0, 0]);
  });

  it('S66 a replayed code runs the statements of a right one up to the spending, and a wrong one none beyond the reservation', async () => {
    const { user, authenticator, token } = await enrolled('replay');
    const code = authenticator.code();
    const right = await measure(() => user.verify(token, code));
    const next = await user.login();
    const replayed = await measure(() => user.verify(next, code));
    const wrong = await measure(() => user.verify(next, '000000'));
    expect(right.statements).toEqual([
      'SELECT',
      'UPDATE mfa_account',
      'INSERT mfa_usage',
      'UPDATE mfa_account',
      'UPDATE mfa_authenticator',
      'SELECT',
    ]);
    // One more releases the reservation of a code that was right and sent twice (S34a, S70).
    expect(replayed.statements).toEqual([...right.statements.slice(0, 3), 'UPDATE mfa_account']);
    expect(wrong.statements).toEqual(right.statements.slice(0, 2));
  });

  it('S57 a locked factor costs neither Argon2 nor HMAC', async () => {
    const { user, authenticator } = await enrolled('locked');
    for (let guess = 0; guess < 5; guess += 1) await user.verify(await user.login(), WRONG).expect(401);
    for (let guess = 0; guess < 5; guess += 1) await user.verify(await user.login(), '000000').expect(401);
    const backup = await measure(async () => user.verify(await user.login(), WRONG));
    const code = authenticator.code();
    const totp = await measure(async () => user.verify(await user.login(), code));
    expect([backup.status, totp.status]).toEqual([429, 429]);
    expect([backup.argon2, backup.hmacs, totp.argon2, totp.hmacs]).toEqual([0, 0, 0, 0]);
  });

  it('S55 a stranger without a token costs no statement, and one with a forged token none either', async () => {
    const { user } = await enrolled('stranger');
    expect(await measure(() => user.verify('', '123456'))).toMatchObject({ status: 401, statements: [], hmacs: 0 });
    const [header, payload, signature] = (await user.login()).split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const longer = Buffer.from(JSON.stringify({ ...claims, jti: 'another' })).toString('base64url');
    const forged = [
      'a.b.c',
      `${header}.${payload}.`,
      `${header}.${payload}.${Buffer.alloc(32).toString('base64url')}`,
      `${header}.${longer}.${signature}`,
    ];
    for (const token of forged) {
      expect(await measure(() => user.verify(token, WRONG))).toMatchObject({ status: 401, statements: [], argon2: 0 });
    }
  });

  it('the guard of a business route runs no SQL', async () => {
    const mfaAt = new Date(host.clock.nowMs());
    const session = new Client(host, 'guarded', host.state.signIn('guarded', { mfaAt, amr: ['pwd', 'mfa'] }));
    expect(await measure(() => session.get('/transfers'))).toMatchObject({ status: 200, statements: [] });
  });

  it('S53 a confirmation computes the window too, and counts', async () => {
    const user = new Client(host, 'confirming');
    const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const code = new VirtualAuthenticator(body.otpauthUri, host.clock).code();
    const wrong = await measure(() =>
      user.post('/mfa/totp/confirm', { code: code === '000000' ? '000001' : '000000' }),
    );
    expect(wrong).toMatchObject({ status: 401, hmacs: WRONG_HMACS, argon2: 0 });
    const [account] = await host.dataSource.query("SELECT * FROM mfa_account WHERE user_id = 'confirming'");
    expect(account.confirmation_failures).toBe(1);
    const right = await measure(() => user.post('/mfa/totp/confirm', { code }));
    expect(right).toMatchObject({ status: 200, hmacs: 3, argon2: 10 });
  });
});

/** Counted by the DataSource's own logger; a statement writes if any part of it does. */
describe.each(testDatabases)('P1 the statements of a verification on %s', (kind) => {
  let host: HostApp;
  const run: string[] = [];
  const one = kind === 'postgres';
  beforeAll(async () => {
    const counting = { ...logger, logQuery: (query: string) => void run.push(query) };
    host = await startHostApp({ database: kind, dataSource: { logging: true, logger: counting } });
  });
  afterAll(() => host.close());

  async function count(act: () => PromiseLike<Response>) {
    run.length = 0;
    const { status } = await act();
    return {
      status,
      total: run.length,
      writing: run.filter((query) => /\b(INSERT|UPDATE|DELETE)\b/.test(query)).length,
    };
  }

  it.each(['totp', 'backup code'] as const)('a right %s', async (factor) => {
    const user = new Client(host, `right-${factor}`);
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    const code = factor === 'totp' ? authenticator.code() : backupCodes[0];
    const right = await count(() => user.verify(token, code));
    // The last one reads the account again, after completeLogin.
    expect(right).toEqual({ status: 200, ...(one ? { total: 3, writing: 2 } : { total: 6, writing: 4 }) });
    // On PostgreSQL the statement that could count finds nothing to count.
    const spent = await count(() => user.verify(token, code));
    expect(spent).toEqual({ status: 401, total: 1, writing: one ? 1 : 0 });
  });

  it.each([
    ['000000', 'totp'],
    ['ZZZZ-ZZZ2', 'backup code'],
  ])('a wrong code, %s', async (code, factor) => {
    const user = new Client(host, `wrong-${factor}`);
    await user.enroll();
    const wrong = await count(async () => user.verify(await user.login(), code));
    // Less the one of the login.
    expect(wrong).toEqual({ status: 401, total: (one ? 1 : 2) + 1, writing: 1 });
  });

  it('a step-up', async () => {
    const user = new Client(host, 'stepping-up');
    const { authenticator } = await user.enroll();
    const stepUp = await count(() => user.post('/mfa/step-up', { code: authenticator.code() }));
    // The last one reads the account again, after completeStepUp.
    expect(stepUp).toEqual({ status: 200, ...(one ? { total: 3, writing: 2 } : { total: 6, writing: 4 }) });
  });

  it('a locked factor, and a code of neither shape', async () => {
    const user = new Client(host, 'locked');
    await user.enroll();
    const token = await user.login();
    expect(await count(() => user.verify(token, 'hello'))).toEqual({ status: 401, total: 1, writing: 0 });
    for (let guess = 0; guess < 5; guess += 1) await user.verify(token, '000000').expect(401);
    expect(await count(() => user.verify(token, '000000'))).toEqual({ status: 429, total: 1, writing: one ? 1 : 0 });
  });

  it('issuing reads once, for everybody, and the guard of another route not at all', async () => {
    const user = new Client(host, 'issued');
    expect(await count(() => user.loginAnswer())).toEqual({ status: 201, total: 1, writing: 0 });
    await user.enroll();
    expect(await count(() => user.loginAnswer())).toEqual({ status: 201, total: 1, writing: 0 });
    const mfaAt = new Date(host.clock.nowMs());
    const session = new Client(host, 'issued', host.state.signIn('issued', { mfaAt, amr: ['pwd', 'mfa'] }));
    expect(await count(() => session.get('/transfers'))).toEqual({ status: 200, total: 0, writing: 0 });
  });
});
