import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Response } from 'supertest';
import type { VirtualPasskey } from 'nestjs-mfa/testing';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { testDatabases } from '../support/databases.js';
import { dumpTables, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

const times = <T>(n: number, make: (index: number) => PromiseLike<T> | T) =>
  Promise.all(Array.from({ length: n }, (_, i) => make(i)));

/** Exactly one 2xx, and every other response is 401 (S34a). */
function expectOneWinner(answers: Response[]): Response {
  const statuses = answers.map(({ status }) => status).toSorted((a, b) => a - b);
  expect(statuses).toEqual([200, ...answers.slice(1).map(() => 401)]);
  return answers.find(({ status }) => status === 200)!;
}

/** Both at once. Every other round the second is sent first. Returns the responses in the order of `sends`. */
async function inBothOrders(round: number, sends: (() => PromiseLike<Response>)[]): Promise<Response[]> {
  const turn = <T>(all: T[]) => (round % 2 === 0 ? all : all.toReversed());
  return turn(await Promise.all(turn(sends).map((send) => send())));
}

describe.each(testDatabases)('races of passkeys on %s', (database) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new PasskeyClient(host, `racer-${(users += 1)}`);
  /** A user with these keys. Synced keys have no counter, so that only the WebAuthn challenge decides. */
  async function userWith(...keys: VirtualPasskey[]) {
    const user = newUser();
    await user.addPasskey(keys[0]!);
    for (const key of keys.slice(1)) await user.addPasskey(key, { passkey: await user.prove(keys[0]!) });
    const { authenticators } = (await user.get('/mfa/status')).body;
    return { user, ids: authenticators.map(({ id }: { id: string }) => id) as string[] };
  }
  const synced = () => newKey({ synced: true });
  const rows = async (table: string, userId: string) =>
    (await dumpTables(host))[table]!.filter((row) => (row as { user_id: string }).user_id === userId);
  const statusOf = async ({ userId }: PasskeyClient) => (await new PasskeyClient(host, userId).get('/mfa/status')).body;

  beforeAll(async () => {
    const pool =
      database === 'postgres'
        ? { extra: { max: 20 } }
        : database === 'mariadb'
          ? { extra: { connectionLimit: 20 } }
          : {};
    host = await startHostApp({
      database,
      options: { ...PASSKEYS, ...FEW_CODES },
      dataSource: pool,
      override: withQuickHasher,
    });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  it('S81 one of twenty users registers a credential id that all of them present at once', async () => {
    const credentialId = randomBytes(32).toString('base64url');
    const all = Array.from({ length: 20 }, newUser);
    const key = newKey();
    const responses = await times(20, async (i) => {
      const { body } = await all[i]!.setupPasskey().expect(200);
      return key.create(body.options, { credentialId });
    });
    const answers = await times(20, (i) => all[i]!.confirmPasskey(responses[i]));
    const winner = answers.indexOf(expectOneWinner(answers));
    const statuses = await Promise.all(all.map(statusOf));
    expect(statuses.filter(({ enabled }) => enabled)).toHaveLength(1);
    expect(statuses[winner].authenticators).toHaveLength(1);
    const { mfa_passkey } = await dumpTables(host);
    expect(
      mfa_passkey!.filter((row) => (row as { credential_id: string }).credential_id === credentialId),
    ).toHaveLength(1);
    const losers = all.filter((_, index) => index !== winner);
    for (const { userId } of losers) expect(await rows('mfa_backup_code', userId)).toEqual([]);

    // Once it is removed, another one registers it.
    const passkey = await all[winner]!.prove(key, 'change', { userHandle: null });
    await all[winner]!.post('/mfa/disable', { passkey }).expect(200);
    const { body } = await losers[0]!.setupPasskey().expect(200);
    await losers[0]!.confirmPasskey(key.create(body.options, { credentialId })).expect(200);
  });

  it('S81 one of twenty parallel registrations of a credential id by one user succeeds, with one set of codes', async () => {
    const user = newUser();
    const key = newKey();
    const credentialId = randomBytes(32).toString('base64url');
    const responses: unknown[] = [];
    for (let i = 0; i < 20; i += 1) {
      const { body } = await user.setupPasskey().expect(200);
      // Half of them answer the same challenge.
      responses.push(i % 2 === 0 ? key.create(body.options, { credentialId }) : responses[0]);
    }
    const { body } = expectOneWinner(await times(20, (i) => user.confirmPasskey(responses[i])));
    expect(body.backupCodes).toHaveLength(4);
    expect(await rows('mfa_passkey', user.userId)).toHaveLength(1);
    expect(await statusOf(user)).toMatchObject({ enabled: true, backupCodes: { remaining: 4 } });
    expect((await user.signInByPasskey(key)).status).toBe(200);
  });

  it('S34a S84 one of ten keys that one user registers at once wins, and the others can be registered then', async () => {
    const user = newUser();
    const keys = Array.from({ length: 10 }, () => newKey());
    const ids = keys.map(() => randomBytes(32).toString('base64url'));
    const { body } = await user.setupPasskey().expect(200);
    const responses = keys.map((key, i) => key.create(body.options, { credentialId: ids[i]! }));
    // The second half has challenges of their own.
    for (let i = 5; i < 10; i += 1) {
      const own = (await user.setupPasskey().expect(200)).body.options;
      responses[i] = keys[i]!.create(own, { credentialId: ids[i]! });
    }
    const answers = await times(10, (i) => user.confirmPasskey(responses[i]));
    const winner = answers.indexOf(expectOneWinner(answers));
    expect(await rows('mfa_passkey', user.userId)).toHaveLength(1);
    const loser = (winner + 1) % 10;
    const again = await user.setupPasskey({ passkey: await user.prove(keys[winner]!) }).expect(200);
    await user.confirmPasskey(keys[loser]!.create(again.body.options, { credentialId: ids[loser]! })).expect(200);
  });

  it.each(['device-bound', 'synced'])(
    'S27 S28 S80 one of fifty parallel uses of one response by a %s key succeeds, for one mfa_token and for many',
    async (kind) => {
      const key = kind === 'synced' ? synced() : newKey();
      const { user } = await userWith(key);
      const { mfa_token, options } = await user.startPasskeyLogin();
      const response = key.get(options);
      expectOneWinner(await times(50, () => user.verifyPasskey(mfa_token, response)));
      const logins = await times(50, () => user.startPasskeyLogin());
      const one = key.get(logins[0]!.options);
      expectOneWinner(await times(50, (i) => user.verifyPasskey(logins[i]!.mfa_token, one)));
      const stepUp = await user.prove(key, 'step-up');
      expectOneWinner(await times(50, () => user.post('/mfa/step-up', { passkey: stepUp })));
      // Neither a lock nor a suspected clone is left.
      expect((await user.signInByPasskey(key)).status).toBe(200);
      const events = host.state.events.filter((event) => event.userId === user.userId).map(({ type }) => type);
      expect(events).not.toContain('mfa.passkey.clone_suspected');
    },
  );

  it('S34 one mfa_token in twenty parallel right responses and codes gives one login', async () => {
    const key = synced();
    const user = newUser();
    const { authenticator, backupCodes } = await user.enroll();
    await user.addPasskey(key, { code: authenticator.code() });
    host.clock.advance(30);
    const { mfa_token, options } = await user.startPasskeyLogin();
    const proofs = await times(20, async (i) => {
      const { body } = await user.post('/mfa/passkeys/options', {});
      expect(body.options).toBeDefined();
      return i === 0
        ? { code: authenticator.code() }
        : i === 1
          ? { code: backupCodes[0] }
          : { passkey: key.get(options) };
    });
    const sends = proofs.map((proof) =>
      'code' in proof ? user.verify(mfa_token, proof.code) : user.verifyPasskey(mfa_token, proof.passkey),
    );
    expectOneWinner(await Promise.all(sends));
    expect(host.state.completedLogins.filter(({ userId }) => userId === user.userId)).toHaveLength(1);
  });

  it('S83 one of two responses with one counter wins at once, and the loser takes nothing from the owner', async () => {
    for (let round = 0; round < 5; round += 1) {
      const key = newKey();
      const { user } = await userWith(key);
      const [first, second] = [await user.startPasskeyLogin(), await user.startPasskeyLogin()];
      const responses = [key.get(first.options, { counter: 7 }), key.get(second.options, { counter: 7 })];
      const tokens = [first.mfa_token, second.mfa_token];
      expectOneWinner(await times(2, (i) => user.verifyPasskey(tokens[i], responses[i])));
      const [row] = (await rows('mfa_passkey', user.userId)) as { counter: number | string }[];
      expect(Number(row!.counter)).toBe(7);
      const next = await user.startPasskeyLogin();
      expect((await user.verifyPasskey(next.mfa_token, key.get(next.options, { counter: 8 }))).status).toBe(200);
    }
  });

  it('S29 S83 a use that loses the compare-and-swap of the counter is refused, and the higher counter stays', async () => {
    const key = newKey();
    const { user } = await userWith(key);
    const [slow, fast] = [await user.startPasskeyLogin(), await user.startPasskeyLogin()];
    const store = host.app.get<MfaVerificationStore>(MfaVerificationStore, { strict: false });
    const spendAndSettle = store.spendAndSettle.bind(store);
    vi.spyOn(store, 'spendAndSettle').mockImplementationOnce(async (completion) => {
      // Another use of the key commits after this one compared the counter.
      expect((await user.verifyPasskey(fast.mfa_token, key.get(fast.options, { counter: 9 }))).status).toBe(200);
      return spendAndSettle(completion);
    });
    const response = key.get(slow.options, { counter: 5 });
    expect(await user.verifyPasskey(slow.mfa_token, response)).toMatchObject({
      status: 401,
      body: { code: 'MFA_CODE_REJECTED' },
    });
    const [row] = (await rows('mfa_passkey', user.userId)) as { counter: number | string }[];
    expect(Number(row!.counter)).toBe(9);
    expect(host.state.completedLogins.filter(({ userId }) => userId === user.userId)).toHaveLength(1);
  });

  it('S83 a constant counter of 0 signs in twice at once, and twice at one time', async () => {
    const key = newKey({ counter: 'zero' });
    const { user } = await userWith(key);
    const logins = await times(2, () => user.startPasskeyLogin());
    const answers = await times(2, (i) => user.verifyPasskey(logins[i]!.mfa_token, key.get(logins[i]!.options)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect((await user.signInByPasskey(key)).status).toBe(200);
    expect((await user.signInByPasskey(key)).status).toBe(200);
  });

  it('S83 a synced key whose counters come in any order signs in each time', async () => {
    const key = newKey({ synced: true });
    const { user } = await userWith(key);
    const counters = [9, 3, 3, 0, 0, 5];
    const logins = await times(counters.length, () => user.startPasskeyLogin());
    for (const [i, counter] of counters.slice(0, 4).entries())
      expect((await user.verifyPasskey(logins[i]!.mfa_token, key.get(logins[i]!.options, { counter }))).status).toBe(
        200,
      );
    const answers = await times(2, (i) =>
      user.verifyPasskey(logins[i + 4]!.mfa_token, key.get(logins[i + 4]!.options, { counter: counters[i + 4] })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  });

  it.each(['remove', 'disable'])(
    'S43 S71 a login at the same time as %s is 200 or 401, and the key is gone',
    async (change) => {
      for (let round = 0; round < 4; round += 1) {
        const [key, spare] = [synced(), synced()];
        const { user, ids } = await userWith(key, spare);
        const { mfa_token, options } = await user.startPasskeyLogin();
        const passkey = await user.prove(spare);
        const path = change === 'remove' ? `/mfa/authenticators/${ids[0]}/remove` : '/mfa/disable';
        const response = key.get(options);
        const [changed, login] = await inBothOrders(round, [
          () => user.post(path, { passkey }),
          () => user.verifyPasskey(mfa_token, response),
        ]);
        expect(changed!.status).toBe(200);
        expect([200, 401]).toContain(login!.status);
        expect(await rows('mfa_passkey', user.userId)).toHaveLength(change === 'remove' ? 1 : 0);
        const later = await user.loginAnswer();
        expect(later.body.mfaRequired).toBe(change === 'remove' ? true : undefined);
      }
    },
  );

  it('S34a a step-up and the removal of its key at once are 200 or 401, and the key is gone', async () => {
    for (let round = 0; round < 6; round += 1) {
      const [key, spare] = [synced(), synced()];
      const { user, ids } = await userWith(key, spare);
      const [stepUp, passkey] = [await user.prove(key, 'step-up'), await user.prove(spare)];
      const path = `/mfa/authenticators/${ids[0]}/remove`;
      const answers = await inBothOrders(round, [
        () => user.post('/mfa/step-up', { passkey: stepUp }),
        () => user.post(path, { passkey }),
      ]);
      for (const { status } of answers) expect([200, 401]).toContain(status);
      const { authenticators } = await statusOf(user);
      expect(authenticators).toHaveLength(answers[1]!.status === 200 ? 1 : 2);
      expect(await rows('mfa_passkey', user.userId)).toHaveLength(authenticators.length);
    }
  });

  it('S33 S84 of a regeneration and the confirmation of a second passkey at once, the account is as one after the other', async () => {
    for (let round = 0; round < 6; round += 1) {
      const [key, second] = [synced(), synced()];
      const { user } = await userWith(key);
      const { body } = await user.setupPasskey({ passkey: await user.prove(key) }).expect(200);
      const [passkey, response] = [await user.prove(key), second.create(body.options)];
      const answers = await inBothOrders(round, [
        () => user.post('/mfa/backup-codes/regenerate', { passkey }),
        () => user.confirmPasskey(response),
      ]);
      const [codes, confirmed] = answers;
      for (const { status } of answers) expect([200, 401]).toContain(status);
      const won = confirmed!.status === 200;
      const { authenticators, backupCodes } = await statusOf(user);
      expect(authenticators).toHaveLength(won ? 2 : 1);
      expect(await rows('mfa_passkey', user.userId)).toHaveLength(won ? 2 : 1);
      expect(backupCodes.remaining).toBe(4);
      if (codes!.status === 200) await user.verify(await user.login(), codes!.body.backupCodes[0]).expect(200);
      expect((await user.signInByPasskey(key)).status).toBe(200);
    }
  });

  it('S84 a registration whose challenge is spent at the same time by another process is refused, and blocks no key', async () => {
    const user = newUser();
    const key = newKey();
    const credentialId = randomBytes(32).toString('base64url');
    const { body } = await user.setupPasskey().expect(200);
    const usage = host.app.get<MfaUsageStore>(MfaUsageStore, { strict: false });
    const spend = usage.spend.bind(usage);
    vi.spyOn(usage, 'spend').mockImplementationOnce(async (spending) => {
      expect(await spend(spending)).toBe(true);
      return spend(spending);
    });
    await user.confirmPasskey(key.create(body.options, { credentialId })).expect(401, /MFA_CODE_REJECTED/);
    expect(await rows('mfa_passkey', user.userId)).toEqual([]);
    expect(await rows('mfa_backup_code', user.userId)).toEqual([]);
    const again = await user.setupPasskey().expect(200);
    await user.confirmPasskey(key.create(again.body.options, { credentialId })).expect(200);
  });
});
