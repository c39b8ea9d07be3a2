import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaClock } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { createDatabase, testDatabases, type TestDatabase } from '../support/databases.js';
import { startDemoProcess, temporaryFolder, type DemoProcess } from '../support/demo-process.js';

class WallClock extends MfaClock {
  nowMs = () => Date.now();
}

interface Answer {
  status: number;
  body: Record<string, any>;
}

const PASSWORD = 'correct horse battery staple';

describe.each(testDatabases)('two processes of the demo on one database, %s', (kind) => {
  let database: TestDatabase;
  const processes: DemoProcess[] = [];

  beforeAll(async () => {
    database = await createDatabase(kind);
    const env: Record<string, string> = {
      DATA_DIR: temporaryFolder(),
      MFA_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      // Both use the one file in the folder.
      ...(kind === 'sqlite' ? {} : { DATABASE_URL: database.url }),
    };
    // One after the other: the first one makes the tables.
    for (let i = 0; i < 2; i += 1) processes.push(await startDemoProcess(env));
  }, 120_000);
  afterAll(async () => {
    const codes = await Promise.all(processes.map((each) => each.stop()));
    await database.drop();
    expect(codes).toEqual([0, 0]);
  });

  /** A request to one of the two processes, in turns. */
  async function send(turn: number, path: string, body?: object, session?: string): Promise<Answer> {
    const response = await fetch(`${processes[turn % 2]!.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json', ...(session ? { authorization: `Bearer ${session}` } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, body: (await response.json().catch(() => ({}))) as Answer['body'] };
  }

  async function register() {
    const credentials = { email: `${randomUUID()}@example.test`, password: PASSWORD };
    const { body } = await send(0, '/auth/register', credentials);
    const session: string = body.accessToken;
    const login = async (turn: number) => (await send(turn, '/auth/login', credentials)).body.mfa_token as string;
    return { session, login };
  }

  /** Confirmed with the code of this step; the next one's is accepted already, and for a minute. */
  async function enroll() {
    const user = await register();
    const setup = await send(0, '/mfa/totp/setup', { password: PASSWORD }, user.session);
    const device = new VirtualAuthenticator(setup.body.otpauthUri, new WallClock());
    const confirmed = await send(1, '/mfa/totp/confirm', { code: device.code() }, user.session);
    expect(confirmed.status).toBe(200);
    return { ...user, device, backupCodes: confirmed.body.backupCodes as string[] };
  }

  const parallel = (n: number, act: (turn: number) => Promise<Answer>) =>
    Promise.all(Array.from({ length: n }, (_, turn) => act(turn)));
  const status = async (session: string) => (await send(0, '/mfa/status', undefined, session)).body;

  function expectOneWinner(answers: Answer[]): void {
    expect(answers.filter((each) => each.status === 200)).toHaveLength(1);
    expect(answers.filter((each) => ![200, 401, 429].includes(each.status))).toEqual([]);
  }

  it('S28 accept one of fifty parallel submissions of one code to both', async () => {
    const user = await enroll();
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, turn) => user.login(turn)));
    const code = user.device.code(1);
    expectOneWinner(await parallel(50, (turn) => send(turn, '/mfa/verify', { mfa_token: tokens[turn], code })));
  });

  it('S32 accept a backup code that is sent to both once', async () => {
    const user = await enroll();
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, turn) => user.login(turn)));
    const [code] = user.backupCodes;
    expectOneWinner(await parallel(20, (turn) => send(turn, '/mfa/verify', { mfa_token: tokens[turn], code })));
    expect((await status(user.session)).backupCodes.remaining).toBe(9);
  });

  it('S34 complete one login for one mfa_token that is sent to both with valid codes', async () => {
    const user = await enroll();
    const mfa_token = await user.login(0);
    expectOneWinner(
      await parallel(10, (turn) => send(turn, '/mfa/verify', { mfa_token, code: user.backupCodes[turn] })),
    );
    expect((await status(user.session)).backupCodes.remaining).toBe(9);
  });

  it('S50 S51 evaluate five wrong guesses of forty tokens', async () => {
    const user = await enroll();
    const tokens = await Promise.all(Array.from({ length: 40 }, (_, turn) => user.login(turn)));
    const answers = await parallel(40, (turn) =>
      send(turn, '/mfa/verify', { mfa_token: tokens[turn], code: 'ZZZZ-ZZZ2' }),
    );
    expect(answers.filter((each) => each.status === 401)).toHaveLength(5);
    expect(answers.filter((each) => each.status === 429)).toHaveLength(35);
  });

  it('S14 show one secret in parallel setups', async () => {
    const { session } = await register();
    const answers = await parallel(10, (turn) => send(turn, '/mfa/totp/setup', { password: PASSWORD }, session));
    expect(answers.map((each) => each.status)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ body }) => body.secret)).size).toBe(1);
  });

  it('S17 commit one of parallel confirmations, with one set of codes', async () => {
    const { session } = await register();
    const setup = await send(0, '/mfa/totp/setup', { password: PASSWORD }, session);
    const device = new VirtualAuthenticator(setup.body.otpauthUri, new WallClock());
    const codes = [-1, 0, 1].map((steps) => device.code(steps));
    expectOneWinner(await parallel(20, (turn) => send(turn, '/mfa/totp/confirm', { code: codes[turn % 3] }, session)));
    const { enabled, authenticators, backupCodes } = await status(session);
    expect([enabled, authenticators.length, backupCodes.remaining]).toEqual([true, 1, 10]);
  });

  it('S33 keep one intact set after a regeneration at one parallel to a use at the other', async () => {
    const user = await enroll();
    const mfa_token = await user.login(1);
    const [regenerated, used] = await Promise.all([
      send(0, '/mfa/backup-codes/regenerate', { code: user.device.code(1) }, user.session),
      send(1, '/mfa/verify', { mfa_token, code: user.backupCodes[0] }),
    ]);
    expect(regenerated.status).toBe(200);
    expect([200, 401]).toContain(used.status);
    const code: string = regenerated.body.backupCodes[0];
    const signedIn = await send(1, '/mfa/verify', { mfa_token: await user.login(0), code });
    expect(signedIn.status).toBe(200);
    // The session of before may be over: a use that was in flight is superseded, which ends every session of the user.
    expect((await status(signedIn.body.accessToken)).backupCodes.remaining).toBe(9);
  });

  it('S43 S59 leave no token valid after disabling at one parallel to verifications at the other', async () => {
    const user = await enroll();
    const tokens = await Promise.all([1, 2, 3, 4].map((turn) => user.login(turn)));
    const [disabled] = await Promise.all([
      send(0, '/mfa/disable', { code: user.device.code(1) }, user.session),
      ...tokens.slice(1).map((mfa_token, i) => send(1, '/mfa/verify', { mfa_token, code: user.backupCodes[i] })),
    ]);
    expect(disabled!.status).toBe(200);
    const late = await send(1, '/mfa/verify', { mfa_token: tokens[0], code: user.backupCodes[9] });
    expect(late.body.code).toBe('MFA_TOKEN_INVALID');
  });
});
