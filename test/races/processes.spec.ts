import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaClock } from 'nestjs-mfa';
import { VirtualAuthenticator, VirtualPasskey } from 'nestjs-mfa/testing';
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
/** Of the page, whichever process served it. */
const ORIGIN = 'http://localhost:3000';
/** Without a counter, so that only the WebAuthn challenge decides between two uses of one response. */
const newKey = () => new VirtualPasskey({ origin: ORIGIN, synced: true });

describe.each(testDatabases)('two processes of the demo on one database, %s', (kind) => {
  let database: TestDatabase;
  const processes: DemoProcess[] = [];

  beforeAll(async () => {
    database = await createDatabase(kind);
    const env: Record<string, string> = {
      DATA_DIR: temporaryFolder(),
      MFA_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      ORIGIN,
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

  /** The WebAuthn options of one process are answered to the other one. */
  const optionsOf = async (turn: number, path: string, body: object, session?: string) =>
    (await send(turn, `/mfa/passkeys/${path}`, body, session)).body.options;

  /** A user with these passkeys. */
  async function enrollPasskeys(...keys: VirtualPasskey[]) {
    const user = await register();
    for (const [turn, key] of keys.entries()) {
      const change = { purpose: 'change' };
      const proof =
        turn === 0
          ? { password: PASSWORD }
          : { passkey: keys[0]!.get(await optionsOf(1, 'options', change, user.session)) };
      const passkey = key.create(await optionsOf(turn, 'setup', proof, user.session));
      expect((await send(turn + 1, '/mfa/passkeys/confirm', { passkey }, user.session)).status).toBe(200);
    }
    return user;
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

  it('S28 S34 S80 complete one login for one response of a passkey that is sent to both', async () => {
    const key = newKey();
    const user = await enrollPasskeys(key);
    const mfa_token = await user.login(0);
    const passkey = key.get(await optionsOf(1, 'options', { mfa_token }));
    expectOneWinner(await parallel(20, (turn) => send(turn, '/mfa/verify', { mfa_token, passkey })));
    const stepUp = key.get(await optionsOf(0, 'options', {}, user.session));
    expectOneWinner(await parallel(20, (turn) => send(turn, '/mfa/step-up', { passkey: stepUp }, user.session)));
  });

  it('S81 S84 make one passkey of one response to a registration that is sent to both, and one set of codes', async () => {
    const { session, login } = await register();
    const key = newKey();
    const passkey = key.create(await optionsOf(0, 'setup', { password: PASSWORD }, session));
    const answers = await parallel(10, (turn) => send(turn, '/mfa/passkeys/confirm', { passkey }, session));
    expectOneWinner(answers);
    const { enabled, authenticators, backupCodes } = await status(session);
    expect([enabled, authenticators.length, backupCodes.remaining]).toEqual([true, 1, 10]);
    const mfa_token = await login(1);
    const response = key.get(await optionsOf(0, 'options', { mfa_token }));
    expect((await send(1, '/mfa/verify', { mfa_token, passkey: response })).status).toBe(200);
  });

  it('S81 give a credential that two users present at once, each at one of them, to one of the two', async () => {
    const credentialId = randomBytes(32).toString('base64url');
    const users = await Promise.all([register(), register()]);
    const responses = await Promise.all(
      users.map(async ({ session }, turn) =>
        newKey().create(await optionsOf(turn, 'setup', { password: PASSWORD }, session), { credentialId }),
      ),
    );
    expectOneWinner(
      await parallel(2, (turn) =>
        send(turn, '/mfa/passkeys/confirm', { passkey: responses[turn] }, users[turn]!.session),
      ),
    );
  });

  /** An owner of two passkeys, and what removes the second one. */
  async function ownerWithRemoval() {
    const [kept, lost] = [newKey(), newKey()];
    const user = await enrollPasskeys(kept, lost);
    const [, { id }] = (await status(user.session)).authenticators;
    const passkey = kept.get(await optionsOf(0, 'options', { purpose: 'change' }, user.session));
    const remove = () => send(0, `/mfa/authenticators/${id}/remove`, { passkey }, user.session);
    /** A response of the second one that the other process expects, and its mfa_token. */
    const answer = async () => {
      const mfa_token = await user.login(1);
      return { mfa_token, passkey: lost.get(await optionsOf(1, 'options', { mfa_token })) };
    };
    return { ...user, lost, remove, answer };
  }

  it('S43 S80 accept no response of a passkey at one after its removal at the other', async () => {
    const { session, lost, remove, answer, login } = await ownerWithRemoval();
    const verification = await answer();
    const stepUp = lost.get(await optionsOf(1, 'options', {}, session));
    expect((await remove()).status).toBe(200);
    const late = await send(1, '/mfa/verify', verification);
    expect([late.status, late.body.code]).toEqual([401, 'MFA_TOKEN_INVALID']);
    const lateStepUp = await send(1, '/mfa/step-up', { passkey: stepUp }, session);
    expect([lateStepUp.status, lateStepUp.body.code]).toEqual([401, 'MFA_CODE_REJECTED']);
    const { allowCredentials } = await optionsOf(1, 'options', { mfa_token: await login(1) });
    expect(allowCredentials).toHaveLength(1);
  });

  it('S71 leave no session of a passkey whose login at one is parallel to its removal at the other', async () => {
    const { remove, answer } = await ownerWithRemoval();
    const verification = await answer();
    const [removed, login] = await Promise.all([remove(), send(1, '/mfa/verify', verification)]);
    expect(removed.status).toBe(200);
    expect([200, 401]).toContain(login.status);
    if (login.status === 200) expect((await send(0, '/auth/me', undefined, login.body.accessToken)).status).toBe(401);
  });
});
