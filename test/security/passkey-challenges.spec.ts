import { BY_TEST } from '../support/reset.js';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService, MfaCleanupService } from 'nestjs-mfa';
import { VirtualAuthenticator, type VirtualPasskey } from 'nestjs-mfa/testing';
import { createDatabase, testDatabases, type TestDatabase } from '../support/databases.js';
import { dumpTables, FEW_CODES, startHostApp, TEST_KEY, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

const NEW_KEY = { id: 'k2', secret: 'Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGw=' };
const PURPOSES = ['verify', 'step-up', 'change', 'register'] as const;
type Purpose = (typeof PURPOSES)[number];

/** The JSON of the options of either ceremony, as far as the tests read it. */
interface Options {
  challenge: string;
}

describe.each(testDatabases)('WebAuthn challenges on %s', (kind) => {
  let database: TestDatabase;
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    database = await createDatabase(kind);
    host = await startHostApp({ on: database, options: { ...PASSKEYS, ...FEW_CODES } });
  });
  afterAll(async () => {
    await host.close();
    await database.drop();
  });

  /** Another application over the same tables, with the same time and the session of this user. */
  async function startAnother(owner: PasskeyClient, options: object) {
    const next = await startHostApp({ on: database, options: { ...PASSKEYS, ...FEW_CODES, ...options } });
    next.clock.advance((host.clock.nowMs() - next.clock.nowMs()) / 1000);
    next.state.sessions.set(owner.session, host.state.sessions.get(owner.session)!);
    return { there: new PasskeyClient(next, owner.userId, owner.session), close: () => next.close() };
  }

  async function newOwner(key: VirtualPasskey): Promise<PasskeyClient> {
    const owner = new PasskeyClient(host, `owner-${(users += 1)}`);
    await owner.addPasskey(key);
    return owner;
  }

  const optionsOf = async (owner: PasskeyClient, purpose: 'step-up' | 'change') =>
    (await owner.post('/mfa/passkeys/options', { purpose }).expect(200)).body.options as never;
  const challengeOf = (options: unknown) => (options as Options).challenge;
  const expectRefused = (answer: { status: number; body: unknown }) =>
    expect(answer).toMatchObject({ status: 401, body: { code: 'MFA_CODE_REJECTED' } });

  /** A user with a challenge for each purpose, and a way to present any challenge at the place of each purpose. */
  async function everywhere() {
    const key = newKey();
    const owner = await newOwner(key);
    const setup = await owner.setupPasskey({ passkey: await owner.prove(key) }).expect(200);
    const login = await owner.startPasskeyLogin();
    const get = await optionsOf(owner, 'step-up');
    const challenges: Record<Purpose, string> = {
      verify: challengeOf(login.options),
      'step-up': challengeOf(get),
      change: challengeOf(await optionsOf(owner, 'change')),
      register: setup.body.options.challenge,
    };
    const present = (place: Purpose, challenge: string, session = owner) => {
      if (place === 'register') return session.confirmPasskey(newKey().create(setup.body.options, { challenge }));
      const passkey = key.get(get, { challenge });
      if (place === 'verify') return session.verifyPasskey(login.mfa_token, passkey);
      return session.post(place === 'step-up' ? '/mfa/step-up' : '/mfa/backup-codes/regenerate', { passkey });
    };
    return { owner, key, challenges, present, get };
  }

  it('S80 are accepted for their purpose only', async () => {
    const { challenges, present } = await everywhere();
    const before = await dumpTables(host);
    for (const place of PURPOSES)
      for (const purpose of PURPOSES.filter((each) => each !== place))
        expectRefused(await present(place, challenges[purpose]));
    expect(await dumpTables(host)).toEqual(before);
    // A change ends the challenge of a registration, so it comes last.
    for (const place of ['verify', 'step-up', 'register'] as const)
      expect((await present(place, challenges[place])).status).toBe(200);
    expect((await present('change', challenges.change)).status).toBe(200);
  });

  it('S80 S84 are accepted in their session only, and for their mfa_token only', async () => {
    const { owner, key, challenges, present } = await everywhere();
    const other = new PasskeyClient(host, owner.userId, host.state.signIn(owner.userId));
    const another = await owner.login();
    const { options } = await owner.startPasskeyLogin();
    const before = await dumpTables(host);
    for (const place of ['step-up', 'change', 'register'] as const)
      expectRefused(await present(place, challenges[place], other));
    expectRefused(await owner.verifyPasskey(another, key.get(options)));
    expect(await dumpTables(host)).toEqual(before);
    for (const place of ['step-up', 'register', 'change'] as const)
      expect((await present(place, challenges[place])).status).toBe(200);
  });

  it('S80 are accepted for their user only', async () => {
    const { challenges, present } = await everywhere();
    const { challenges: foreign, present: presentForeign } = await everywhere();
    const before = await dumpTables(host);
    for (const place of PURPOSES) expectRefused(await present(place, foreign[place]));
    for (const place of PURPOSES) expectRefused(await presentForeign(place, challenges[place]));
    expect(await dumpTables(host)).toEqual(before);
  });

  it.each(PURPOSES)('S80 of %s end after 5 minutes, and with an expiry that was changed', async (place) => {
    const { challenges, present } = await everywhere();
    const later = Buffer.from(challenges[place], 'base64url');
    later.writeUIntBE(later.readUIntBE(0, 6) + 60_000, 0, 6);
    expectRefused(await present(place, later.toString('base64url')));
    host.clock.advance(299);
    const unused = await everywhere();
    expect((await present(place, challenges[place])).status).toBe(200);
    host.clock.advance(301);
    const before = await dumpTables(host);
    expect((await unused.present(place, unused.challenges[place])).status).toBe(401);
    expect(await dumpTables(host)).toEqual(before);
  });

  it('S80 end with their mfa_token', async () => {
    const owner = await newOwner(newKey());
    const mfa_token = await owner.login();
    host.clock.advance(280);
    const { body } = await request(owner.server).post('/mfa/passkeys/options').send({ mfa_token }).expect(200);
    const ends = new Date(body.expiresAt).getTime();
    expect(ends).toBe(Buffer.from(challengeOf(body.options), 'base64url').readUIntBE(0, 6));
    host.clock.advance((ends - host.clock.nowMs()) / 1000);
    await request(owner.server)
      .post('/mfa/passkeys/options')
      .send({ mfa_token })
      .expect(401, /MFA_TOKEN_INVALID/);
  });

  it('S27 S80 a spent response stays refused after the cleanup has removed its usage row', async () => {
    const key = newKey({ synced: true });
    const owner = await newOwner(key);
    const stepUp = await owner.prove(key, 'step-up');
    await owner.post('/mfa/step-up', { passkey: stepUp }).expect(200);
    expectRefused(await owner.post('/mfa/step-up', { passkey: stepUp }));
    const usageRows = async () =>
      (await dumpTables(host)).mfa_usage!.filter((row) => (row as { user_id: string }).user_id === owner.userId);
    const purge = () => host.app.get(MfaCleanupService, { strict: false }).purge();
    // 5 minutes until the expiry, and 10 more for the clocks of other instances.
    host.clock.advance(14 * 60);
    await purge();
    expect((await usageRows()).length).toBeGreaterThan(0);
    host.clock.advance(2 * 60);
    await purge();
    expect(await usageRows()).toEqual([]);
    expectRefused(await owner.post('/mfa/step-up', { passkey: stepUp }));
    await owner.post('/mfa/step-up', { passkey: await owner.prove(key, 'step-up') }).expect(200);
  });

  it('S80 are accepted while their key is in the ring, and refused after', async () => {
    const key = newKey({ synced: true });
    const owner = await newOwner(key);
    const responses = [await owner.prove(key, 'step-up'), await owner.prove(key, 'step-up')];
    const stepUpWith = async (keys: (typeof TEST_KEY)[], passkey: unknown) => {
      const { there, close } = await startAnother(owner, { keys });
      const { status } = await there.post('/mfa/step-up', { passkey });
      await close();
      return status;
    };
    expect(await stepUpWith([NEW_KEY, TEST_KEY], responses[0])).toBe(200);
    expect(await stepUpWith([NEW_KEY], responses[1])).toBe(401);
    expect(await stepUpWith([TEST_KEY], responses[1])).toBe(200);
  });

  it('S80 are refused by an application of another rp id with the same keys and tables', async () => {
    const key = newKey({ synced: true });
    const owner = await newOwner(key);
    const passkeys = { rpId: 'app.example', origins: ['https://app.example'] };
    const { there, close } = await startAnother(owner, { passkeys });
    const faults = { rpId: 'app.example', origin: 'https://app.example' };
    expectRefused(await there.post('/mfa/step-up', { passkey: await owner.prove(key, 'step-up', faults) }));
    const { challenge } = (await there.post('/mfa/passkeys/options').expect(200)).body.options;
    const passkey = await owner.prove(key, 'step-up', { ...faults, challenge });
    await there.post('/mfa/step-up', { passkey }).expect(200);
    await close();
  });

  it.each([
    ['a new authenticator app', 'totp'],
    ['new backup codes', 'codes'],
    ['a removed passkey', 'removal'],
    ['another passkey', 'passkey'],
  ] as const)('S84 the challenge of a registration is useless after %s', async (_, change) => {
    const [key, spare] = [newKey(), newKey()];
    const owner = await newOwner(key);
    await owner.addPasskey(spare, { passkey: await owner.prove(key) });
    const setup = async () => (await owner.setupPasskey({ passkey: await owner.prove(key) }).expect(200)).body.options;
    const stale = await setup();
    const passkey = await owner.prove(key);
    if (change === 'totp') {
      const { body } = await owner.post('/mfa/totp/setup', { passkey }).expect(200);
      const code = new VirtualAuthenticator(body.otpauthUri, host.clock).code();
      await owner.post('/mfa/totp/confirm', { code }).expect(200);
    } else if (change === 'codes') await owner.post('/mfa/backup-codes/regenerate', { passkey }).expect(200);
    else if (change === 'passkey') await owner.addPasskey(newKey(), { passkey });
    else {
      const { authenticators } = (await owner.get('/mfa/status')).body;
      await owner.post(`/mfa/authenticators/${authenticators[1].id}/remove`, { passkey }).expect(200);
    }
    const third = newKey();
    const before = await dumpTables(host);
    expectRefused(await owner.confirmPasskey(third.create(stale)));
    expect(await dumpTables(host)).toEqual(before);
    await owner.confirmPasskey(third.create(await setup())).expect(200);
    const events = host.state.events.filter((event) => event.userId === owner.userId).map(({ type }) => type);
    expect(events.at(-1)).toBe('mfa.authenticator.confirmed');
  });

  it('S84 the challenge of a registration is useless after the tokens of the user were revoked', async () => {
    const key = newKey();
    const owner = await newOwner(key);
    const { body } = await owner.setupPasskey({ passkey: await owner.prove(key) }).expect(200);
    const [stepUp, login] = [await owner.prove(key, 'step-up'), await owner.startPasskeyLogin()];
    await host.app.get(MfaAdminService, { strict: false }).invalidate(owner.userId, BY_TEST);
    expectRefused(await owner.confirmPasskey(newKey().create(body.options)));
    expectRefused(await owner.post('/mfa/step-up', { passkey: stepUp }));
    expect((await owner.verifyPasskey(login.mfa_token, key.get(login.options))).status).toBe(401);
  });
});
