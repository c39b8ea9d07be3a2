import { randomBytes } from 'node:crypto';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VirtualPasskey } from 'nestjs-mfa/testing';
import { testDatabases } from '../support/databases.js';
import { dumpTables, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

type MfaPasskeyOptions = { challenge: string; allowCredentials: object[] };
type GetFaults = NonNullable<Parameters<VirtualPasskey['get']>[1]>;
type CreateFaults = NonNullable<Parameters<VirtualPasskey['create']>[1]>;

const foreign = randomBytes(64).toString('base64url');

/** What is wrong with either kind of response. */
const COMMON: (GetFaults & CreateFaults)[] = [
  { origin: 'http://evil.example' },
  { origin: 'http://localhost:3001' },
  { rpId: 'evil.example' },
  { type: 'payment.get' },
  { userPresent: false },
  { backedUp: true },
  { crossOrigin: true },
  { topOrigin: 'http://evil.example' },
  { oversized: 9_000 },
  { malformed: 'authenticatorData' },
  { challenge: randomBytes(54).toString('base64url') },
];

const ASSERTIONS: GetFaults[] = [
  ...COMMON,
  { badSignature: true },
  { type: 'webauthn.create' },
  { userHandle: foreign },
  { userHandle: '!' },
  { backupEligible: true },
  { credentialId: foreign },
  { counter: 0 },
  { counter: 1 },
];

const REGISTRATIONS: CreateFaults[] = [
  ...COMMON,
  { badSignature: true },
  { type: 'webauthn.get' },
  { attestation: 'x5c' },
  { attestation: 'self', origin: 'http://evil.example' },
  { malformed: 'attestationObject' },
];

describe.each(testDatabases)('passkey responses with a fault, on %s', (database) => {
  let host: HostApp;
  let owner: PasskeyClient;
  let key: VirtualPasskey;
  /** What `verify` returns for a wrong code. */
  let wrongCode: string;

  beforeAll(async () => {
    host = await startHostApp({ database, options: { ...PASSKEYS, ...FEW_CODES } });
    owner = new PasskeyClient(host, 'owner');
    key = newKey();
    const { authenticator } = await owner.enroll();
    await owner.addPasskey(key, { code: authenticator.code() });
    wrongCode = (await owner.verify(await owner.login(), '000000').expect(401)).text;
  });
  afterAll(() => host.close());

  it.each(ASSERTIONS)('S66 S82 verify refuses %o like a wrong code, and changes nothing', async (faults) => {
    const { mfa_token, options } = await owner.startPasskeyLogin();
    const before = await dumpTables(host);
    const answer = await owner.verifyPasskey(mfa_token, key.get(options, faults));
    expect({ status: answer.status, text: answer.text }).toEqual({ status: 401, text: wrongCode });
    expect(await dumpTables(host)).toEqual(before);
    // Neither the token nor the WebAuthn challenge is spent (S80), and the owner is not locked out.
    expect((await owner.verifyPasskey(mfa_token, key.get(options))).status).toBe(200);
  });

  it.each(ASSERTIONS)('S82 a step-up and a change refuse %o, and change nothing', async (faults) => {
    const stepUp = await owner.prove(key, 'step-up', faults);
    const change = await owner.prove(key, 'change', faults);
    const before = await dumpTables(host);
    await owner.post('/mfa/step-up', { passkey: stepUp }).expect(401, /MFA_CODE_REJECTED/);
    for (const path of ['backup-codes/regenerate', 'disable', 'passkeys/setup', 'totp/setup'])
      await owner.post(`/mfa/${path}`, { passkey: change }).expect(401, /MFA_CODE_REJECTED/);
    expect(await dumpTables(host)).toEqual(before);
  });

  it.each(REGISTRATIONS)(
    'S82 a registration with %o is refused, changes nothing, and spends nothing',
    async (faults) => {
      const { body } = await owner.setupPasskey({ passkey: await owner.prove(key) }).expect(200);
      const before = await dumpTables(host);
      await owner.confirmPasskey(newKey().create(body.options, faults)).expect(401, /MFA_CODE_REJECTED/);
      expect(await dumpTables(host)).toEqual(before);
      const { status } = await owner.confirmPasskey(newKey({ synced: true }).create(body.options));
      expect(status).toBe(200);
      const { authenticators } = (await owner.get('/mfa/status')).body;
      const path = `/mfa/authenticators/${authenticators.at(-1).id}/remove`;
      await owner.post(path, { passkey: await owner.prove(key) }).expect(200);
    },
  );

  it('S66 S80 verify refuses a spent, removed or foreign passkey like a wrong code', async () => {
    const thief = new PasskeyClient(host, 'thief');
    const own = newKey();
    await thief.addPasskey(own);
    const login = await thief.startPasskeyLogin();
    // The key of another user, who signs the challenge of this login.
    const { options } = await owner.startPasskeyLogin();
    const challenge = (login.options as MfaPasskeyOptions).challenge;
    const refused = [await thief.verifyPasskey(login.mfa_token, key.get(options, { challenge }))];
    refused.push(
      await thief.verifyPasskey(login.mfa_token, key.get(options, { challenge, userHandle: null })),
      await thief.verify(login.mfa_token, '000000'),
    );

    const response = own.get(login.options);
    await thief.verifyPasskey(login.mfa_token, response).expect(200);
    refused.push(await thief.verifyPasskey(await thief.login(), response));

    const spare = newKey();
    await thief.addPasskey(spare, { passkey: await thief.prove(own) });
    const before = await thief.startPasskeyLogin();
    const { authenticators } = (await thief.get('/mfa/status')).body;
    await thief.post(`/mfa/authenticators/${authenticators[0].id}/remove`, { passkey: await thief.prove(spare) });
    const after = await thief.startPasskeyLogin();
    const bound = own.get({ ...(before.options as object), challenge: (after.options as MfaPasskeyOptions).challenge });
    refused.push(await thief.verifyPasskey(after.mfa_token, bound));
    expect(refused.map(({ status, text }) => ({ status, text }))).toEqual(
      refused.map(() => ({ status: 401, text: wrongCode })),
    );
    expect((await thief.verifyPasskey(after.mfa_token, spare.get(after.options))).status).toBe(200);
  });

  it('S67 S82 a body with both proofs, arrays, other types or polluted prototypes is 400, and changes nothing', async () => {
    const { mfa_token, options } = await owner.startPasskeyLogin();
    const response = key.get(options);
    const before = await dumpTables(host);
    const bodies: object[] = [
      { passkey: response, code: '123456' },
      { passkey: [response] },
      { passkey: JSON.stringify(response) },
      { passkey: 1 },
      { passkey: {} },
      { passkey: { ...response, id: [response.id] } },
      { passkey: { ...response, rawId: null } },
      { passkey: { ...response, response: [response.response] } },
      { passkey: { ...response, response: { ...response.response, signature: { toString: 'x' } } } },
      { passkey: { ...response, response: { ...response.response, clientDataJSON: 'A'.repeat(65_537) } } },
      { passkey: response, method: ['passkey'] },
      { passkey: { ...response, id: randomBytes(1_024).toString('base64url') } },
    ];
    for (const body of bodies) {
      const { status } = await request(owner.server)
        .post('/mfa/verify')
        .send({ mfa_token, ...body });
      expect({ body: Object.keys(body), status }).toEqual({ body: Object.keys(body), status: 400 });
      await owner.post('/mfa/step-up', body).expect(400, /MFA_BAD_REQUEST/);
      if (!('code' in body)) await owner.post('/mfa/passkeys/confirm', body).expect(400, /MFA_BAD_REQUEST/);
    }
    // What stands in a prototype does not count.
    const polluted = `{"mfa_token":${JSON.stringify(mfa_token)},"__proto__":{"passkey":${JSON.stringify(response)}},"constructor":{"prototype":{"polluted":true}}}`;
    const inner = `{"mfa_token":${JSON.stringify(mfa_token)},"passkey":{"__proto__":${JSON.stringify(response)}}}`;
    for (const text of [polluted, inner])
      await request(owner.server).post('/mfa/verify').set('Content-Type', 'application/json').send(text).expect(400);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(await dumpTables(host)).toEqual(before);
    expect((await owner.verifyPasskey(mfa_token, response)).status).toBe(200);
  });

  it.each(['totp', 'backup_code', 'confirmation', 'nonsense'])(
    'S66 S80 a response that names the method %s is refused, and spends nothing',
    async (method) => {
      const { mfa_token, options } = await owner.startPasskeyLogin();
      const passkey = key.get(options);
      const before = await dumpTables(host);
      const send = (body: object) =>
        request(owner.server)
          .post('/mfa/verify')
          .send({ mfa_token, ...body });
      expect((await send({ passkey, method }).expect(401)).text).toBe(wrongCode);
      expect((await send({ code: '123456', method: 'passkey' }).expect(401)).text).toBe(wrongCode);
      expect(await dumpTables(host)).toEqual(before);
      await send({ passkey, method: 'passkey' }).expect(200);
    },
  );

  it.each(['{"id":', '['])('S67 a body that nests %s thousands of times is 400', async (open) => {
    const { mfa_token } = await owner.startPasskeyLogin();
    const send = (text: string) =>
      request(owner.server).post('/mfa/verify').set('Content-Type', 'application/json').send(text);
    for (const depth of [5, 2_000, 8_000]) {
      const nested = `${open.repeat(depth)}1${(open === '[' ? ']' : '}').repeat(depth)}`;
      await send(`{"mfa_token":"${mfa_token}","passkey":{"id":"x","response":${nested}}}`).expect(400);
      await send(`{"mfa_token":"${mfa_token}","passkey":${nested}}`).expect(400);
      await send(`{"mfa_token":"${mfa_token}","code":${nested}}`).expect(400);
    }
  });

  it('S67 S82 a registration with the longest id, sixteen transports and the largest counter is stored and used', async () => {
    const { body } = await owner.setupPasskey({ passkey: await owner.prove(key) }).expect(200);
    const device = newKey({ algorithm: 'RS256' });
    const transports = Array.from({ length: 16 }, (_, index) => `transport-xxx${index + 10}`);
    const credentialId = randomBytes(1_023).toString('base64url');
    await owner.confirmPasskey(device.create(body.options, { transports, credentialId })).expect(200);
    const { allowCredentials } = (await owner.startPasskeyLogin()).options as MfaPasskeyOptions;
    expect(allowCredentials).toContainEqual(expect.objectContaining({ id: credentialId, transports }));
    expect((await owner.signInByPasskey(device, { counter: 2 ** 32 - 1 })).status).toBe(200);
    expect((await owner.signInByPasskey(device)).status).toBe(401);
    expect((await owner.signInByPasskey(key)).status).toBe(200);
  });
});

describe('the option userVerification: required', () => {
  it('S82 refuses a response without user verification, and changes nothing', async () => {
    const passkeys = { ...PASSKEYS.passkeys, userVerification: 'required' as const };
    const host = await startHostApp({ options: { passkeys, ...FEW_CODES } });
    const owner = new PasskeyClient(host, 'owner');
    const key = newKey();
    const { body } = await owner.setupPasskey().expect(200);
    await owner.confirmPasskey(newKey().create(body.options, { userVerified: false })).expect(401);
    await owner.confirmPasskey(key.create(body.options)).expect(200);
    const before = await dumpTables(host);
    expect((await owner.signInByPasskey(key, { userVerified: false })).status).toBe(401);
    expect(await dumpTables(host)).toEqual(before);
    expect((await owner.signInByPasskey(key)).status).toBe(200);
    await host.close();
  });
});
