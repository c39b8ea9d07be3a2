import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualPasskey } from 'nestjs-mfa/testing';
import { testDatabases } from '../support/databases.js';
import { Browser } from '../support/device-client.js';
import { type Answer, authenticatorOf, ORIGIN, TwoProcesses } from '../support/two-processes.js';

/** Without a counter, so that only the WebAuthn challenge decides between two uses of one response. */
const newKey = () => new VirtualPasskey({ origin: ORIGIN, synced: true });

describe.each(testDatabases)('two processes of the demo on one database, %s', (kind) => {
  let demo: TwoProcesses;
  beforeAll(async () => {
    demo = await TwoProcesses.start(kind);
  }, 120_000);
  afterAll(async () => {
    expect(await demo.stop()).toEqual([0, 0]);
  });

  /** A user with these passkeys. */
  async function enrollPasskeys(...keys: VirtualPasskey[]) {
    const user = await demo.register();
    for (const [turn, key] of keys.entries()) {
      const change = () => demo.optionsOf(1, 'options', { purpose: 'change' }, user.session);
      const options =
        turn === 0
          ? await demo.setupOptions(turn, user.session)
          : await demo.optionsOf(turn, 'setup', { passkey: keys[0]!.get(await change()) }, user.session);
      const passkey = key.create(options);
      expect((await demo.send(turn + 1, '/mfa/passkeys/confirm', { passkey }, user.session)).status).toBe(200);
    }
    return user;
  }

  const parallel = (n: number, act: (turn: number) => Promise<Answer>) =>
    Promise.all(Array.from({ length: n }, (_, turn) => act(turn)));
  const status = async (session: string) => (await demo.send(0, '/mfa/status', undefined, session)).body;

  function expectOneWinner(answers: Answer[]): void {
    expect(answers.filter((each) => each.status === 200)).toHaveLength(1);
    expect(answers.filter((each) => ![200, 401, 429].includes(each.status))).toEqual([]);
  }

  it('S28 accept one of fifty parallel submissions of one code to both', async () => {
    const user = await demo.enroll();
    const tokens = await Promise.all(Array.from({ length: 50 }, (_, turn) => user.login(turn)));
    const code = user.device.code(1);
    expectOneWinner(await parallel(50, (turn) => demo.send(turn, '/mfa/verify', { mfa_token: tokens[turn], code })));
  });

  it('S32 accept a backup code that is sent to both once', async () => {
    const user = await demo.enroll();
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, turn) => user.login(turn)));
    const [code] = user.backupCodes;
    expectOneWinner(await parallel(20, (turn) => demo.send(turn, '/mfa/verify', { mfa_token: tokens[turn], code })));
    expect((await status(user.session)).backupCodes.remaining).toBe(9);
  });

  it('S34 complete one login for one mfa_token that is sent to both with valid codes', async () => {
    const user = await demo.enroll();
    const mfa_token = await user.login(0);
    expectOneWinner(
      await parallel(10, (turn) => demo.send(turn, '/mfa/verify', { mfa_token, code: user.backupCodes[turn] })),
    );
    expect((await status(user.session)).backupCodes.remaining).toBe(9);
  });

  it('S50 S51 evaluate five wrong guesses of forty tokens', async () => {
    const user = await demo.enroll();
    const tokens = await Promise.all(Array.from({ length: 40 }, (_, turn) => user.login(turn)));
    const answers = await parallel(40, (turn) =>
      demo.send(turn, '/mfa/verify', { mfa_token: tokens[turn], code: 'ZZZZ-ZZZ2' }),
    );
    expect(answers.filter((each) => each.status === 401)).toHaveLength(5);
    expect(answers.filter((each) => each.status === 429)).toHaveLength(35);
  });

  it('S14 show one secret in parallel setups', async () => {
    const { session } = await demo.register();
    const answers = await parallel(10, (turn) => demo.setUp(turn, session));
    expect(answers.map((each) => each.status)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ body }) => body.secret)).size).toBe(1);
  });

  it('S17 commit one of parallel confirmations, with one set of codes', async () => {
    const { session } = await demo.register();
    const setup = await demo.setUp(0, session);
    const device = authenticatorOf(setup);
    const codes = [-1, 0, 1].map((steps) => device.code(steps));
    expectOneWinner(
      await parallel(20, (turn) => demo.send(turn, '/mfa/totp/confirm', { code: codes[turn % 3] }, session)),
    );
    const { enabled, authenticators, backupCodes } = await status(session);
    expect([enabled, authenticators.length, backupCodes.remaining]).toEqual([true, 1, 10]);
  });

  it('S33 keep one intact set after a regeneration at one parallel to a use at the other', async () => {
    const user = await demo.enroll();
    const mfa_token = await user.login(1);
    const [regenerated, used] = await Promise.all([
      demo.send(0, '/mfa/backup-codes/regenerate', { code: user.device.code(1) }, user.session),
      demo.send(1, '/mfa/verify', { mfa_token, code: user.backupCodes[0] }),
    ]);
    expect(regenerated.status).toBe(200);
    expect([200, 401]).toContain(used.status);
    const code: string = regenerated.body.backupCodes[0];
    const signedIn = await demo.send(1, '/mfa/verify', { mfa_token: await user.login(0), code });
    expect(signedIn.status).toBe(200);
    // The session of before may be over: a use that was in flight is superseded, which ends every session of the user.
    expect((await status(signedIn.body.accessToken)).backupCodes.remaining).toBe(9);
  });

  it('S43 S59 leave no token valid after disabling at one parallel to verifications at the other', async () => {
    const user = await demo.enroll();
    const tokens = await Promise.all([1, 2, 3, 4].map((turn) => user.login(turn)));
    const [disabled] = await Promise.all([
      demo.send(0, '/mfa/disable', { code: user.device.code(1) }, user.session),
      ...tokens.slice(1).map((mfa_token, i) => demo.send(1, '/mfa/verify', { mfa_token, code: user.backupCodes[i] })),
    ]);
    expect(disabled!.status).toBe(200);
    const late = await demo.send(1, '/mfa/verify', { mfa_token: tokens[0], code: user.backupCodes[9] });
    expect(late.body.code).toBe('MFA_TOKEN_INVALID');
  });

  it('S28 S34 S80 complete one login for one response of a passkey that is sent to both', async () => {
    const key = newKey();
    const user = await enrollPasskeys(key);
    const mfa_token = await user.login(0);
    const passkey = key.get(await demo.optionsOf(1, 'options', { mfa_token }));
    expectOneWinner(await parallel(20, (turn) => demo.send(turn, '/mfa/verify', { mfa_token, passkey })));
    const stepUp = key.get(await demo.optionsOf(0, 'options', {}, user.session));
    expectOneWinner(await parallel(20, (turn) => demo.send(turn, '/mfa/step-up', { passkey: stepUp }, user.session)));
  });

  it('S81 S84 make one passkey of one response to a registration that is sent to both, and one set of codes', async () => {
    const { session, login } = await demo.register();
    const key = newKey();
    const passkey = key.create(await demo.setupOptions(0, session));
    const answers = await parallel(10, (turn) => demo.send(turn, '/mfa/passkeys/confirm', { passkey }, session));
    expectOneWinner(answers);
    const { enabled, authenticators, backupCodes } = await status(session);
    expect([enabled, authenticators.length, backupCodes.remaining]).toEqual([true, 1, 10]);
    const mfa_token = await login(1);
    const response = key.get(await demo.optionsOf(0, 'options', { mfa_token }));
    expect((await demo.send(1, '/mfa/verify', { mfa_token, passkey: response })).status).toBe(200);
  });

  it('S81 give a credential that two users present at once, each at one of them, to one of the two', async () => {
    const credentialId = randomBytes(32).toString('base64url');
    const users = await Promise.all([demo.register(), demo.register()]);
    const responses = await Promise.all(
      users.map(async ({ session }, turn) => newKey().create(await demo.setupOptions(turn, session), { credentialId })),
    );
    expectOneWinner(
      await parallel(2, (turn) =>
        demo.send(turn, '/mfa/passkeys/confirm', { passkey: responses[turn] }, users[turn]!.session),
      ),
    );
  });

  /** An owner of two passkeys, and what removes the second one. */
  async function ownerWithRemoval() {
    const [kept, lost] = [newKey(), newKey()];
    const user = await enrollPasskeys(kept, lost);
    const [, { id }] = (await status(user.session)).authenticators;
    const passkey = kept.get(await demo.optionsOf(0, 'options', { purpose: 'change' }, user.session));
    const remove = () => demo.send(0, `/mfa/authenticators/${id}/remove`, { passkey }, user.session);
    /** A response of the second one that the other process expects, and its mfa_token. */
    const answer = async () => {
      const mfa_token = await user.login(1);
      return { mfa_token, passkey: lost.get(await demo.optionsOf(1, 'options', { mfa_token })) };
    };
    return { ...user, lost, remove, answer };
  }

  it('S43 S80 accept no response of a passkey at one after its removal at the other', async () => {
    const { session, lost, remove, answer, login } = await ownerWithRemoval();
    const verification = await answer();
    const stepUp = lost.get(await demo.optionsOf(1, 'options', {}, session));
    expect((await remove()).status).toBe(200);
    const late = await demo.send(1, '/mfa/verify', verification);
    expect([late.status, late.body.code]).toEqual([401, 'MFA_TOKEN_INVALID']);
    const lateStepUp = await demo.send(1, '/mfa/step-up', { passkey: stepUp }, session);
    expect([lateStepUp.status, lateStepUp.body.code]).toEqual([401, 'MFA_CODE_REJECTED']);
    const { allowCredentials } = await demo.optionsOf(1, 'options', { mfa_token: await login(1) });
    expect(allowCredentials).toHaveLength(1);
  });

  it('S71 leave no session of a passkey whose login at one is parallel to its removal at the other', async () => {
    const { remove, answer } = await ownerWithRemoval();
    const verification = await answer();
    const [removed, login] = await Promise.all([remove(), demo.send(1, '/mfa/verify', verification)]);
    expect(removed.status).toBe(200);
    expect([200, 401]).toContain(login.status);
    if (login.status === 200)
      expect((await demo.send(0, '/auth/me', undefined, login.body.accessToken)).status).toBe(401);
  });

  /** A user whose browser is trusted, by a proof at the first process. */
  async function trustingUser() {
    const user = await demo.enroll();
    const browser = new Browser();
    const mfa_token = await user.login(0, browser);
    const proof = { mfa_token, code: user.device.code(1), rememberDevice: true };
    const verified = await demo.send(0, '/mfa/verify', proof, undefined, browser);
    expect(verified.status).toBe(200);
    const session: string = verified.body.accessToken;
    const isTrusted = async (turn: number, from: Browser) => {
      const { accessToken, mfaRequired } = await user.signIn(turn, from);
      expect(accessToken !== undefined).toBe(mfaRequired !== true);
      return accessToken !== undefined;
    };
    const devices = async (turn: number) =>
      (await demo.send(turn, '/mfa/devices', undefined, session, browser)).body.devices as Record<string, unknown>[];
    return { ...user, session, browser, isTrusted, devices };
  }

  it('S112 trust ten parallel logins of one browser at both, which ends no trust', async () => {
    const { browser, isTrusted, devices } = await trustingUser();
    const cookie = ({ cookies }: Browser) => [...cookies].find(([name]) => name.startsWith('mfa-device-'));
    const before = cookie(browser);
    expect(before).toBeDefined();
    const tabs = Array.from({ length: 10 }, () => browser.copy());
    expect(await Promise.all(tabs.map((tab, turn) => isTrusted(turn, tab)))).toEqual(tabs.map(() => true));
    for (const tab of tabs) expect(cookie(tab)).toEqual(cookie(tabs[0]!));
    expect(cookie(tabs[0]!)).not.toEqual(before);
    // A false alarm would have ended the device.
    for (const turn of [0, 1]) expect(await isTrusted(turn, tabs[0]!)).toBe(true);
    expect(await devices(1)).toHaveLength(1);
  });

  it('S113 trust a browser no longer at one after it was revoked at the other, also in parallel to ten logins', async () => {
    const { session, browser, isTrusted, devices } = await trustingUser();
    expect(await isTrusted(1, browser)).toBe(true);
    const [{ id, current }] = (await devices(1)) as [Record<string, unknown>];
    expect(current).toBe(true);
    const tabs = Array.from({ length: 10 }, () => browser.copy());
    const [revoked] = await Promise.all([
      demo.send(0, `/mfa/devices/${String(id)}/revoke`, {}, session),
      ...tabs.map((tab, turn) => isTrusted(turn, tab)),
    ]);
    expect(revoked!.status).toBe(200);
    for (const [turn, tab] of [browser, ...tabs].entries()) expect(await isTrusted(turn, tab)).toBe(false);
    expect(await devices(1)).toEqual([]);
  });
});
