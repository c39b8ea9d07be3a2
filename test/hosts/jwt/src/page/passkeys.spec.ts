import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FixedClock, VirtualAuthenticator, VirtualPasskey } from 'nestjs-mfa/testing';
import { AppModule } from '../app.module.js';
import { get, post } from './api.js';
import { addPasskey, canUsePasskeys, passkeyProblem, provePasskey } from './passkeys.js';
import { removeByPasskey, signInByPasskey, stepUpByPasskey } from './passkeys.js';

const origin = 'http://localhost:3000';
const password = 'correct horse';
const text = (bytes: any) => (expect(bytes).toBeInstanceOf(Uint8Array), Buffer.from(bytes).toString('base64url'));
const withText = (each: any) => ({ ...each, id: text(each.id) });
const toBuffer = (base64url: string) => new Uint8Array(Buffer.from(base64url, 'base64url')).buffer;

/** A browser that has the methods of JSON. */
function newBrowser(key: VirtualPasskey, signal: unknown) {
  const parse = (options: unknown) => options;
  const withJson = (json: object) => ({ toJSON: () => json });
  const methods = { parseCreationOptionsFromJSON: parse, parseRequestOptionsFromJSON: parse };
  vi.stubGlobal(
    'PublicKeyCredential',
    Object.assign(() => {}, methods, { signalAllAcceptedCredentials: signal }),
  );
  const create = async ({ publicKey }: any) => withJson(key.create(publicKey));
  const get = async ({ publicKey }: any) => withJson(key.get(publicKey));
  vi.stubGlobal('navigator', { credentials: { create, get } });
}

/** A browser without them: it takes and returns bytes. */
function oldBrowser(key: VirtualPasskey) {
  const withBuffers = ({ response: { transports, ...fields }, ...json }: any) => {
    const names = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'];
    const buffers = names.filter((name) => fields[name]).map((name) => [name, toBuffer(fields[name])]);
    return {
      ...json,
      response: { ...Object.fromEntries(buffers), ...(transports && { getTransports: () => transports }) },
    };
  };
  const options = (given: any) => ({ ...given, challenge: text(given.challenge) });
  const create = async ({ publicKey }: any) => {
    const excludeCredentials = publicKey.excludeCredentials.map(withText);
    return withBuffers(key.create({ ...options(publicKey), user: withText(publicKey.user), excludeCredentials }));
  };
  const get = async ({ publicKey }: any) =>
    withBuffers(key.get({ ...options(publicKey), allowCredentials: publicKey.allowCredentials.map(withText) }));
  vi.stubGlobal('PublicKeyCredential', () => {});
  vi.stubGlobal('navigator', { credentials: { create, get } });
}

describe.each(['new', 'old'])('the page in a browser that is %s', (age) => {
  const email = `${age}@acme.example`;
  const key = new VirtualPasskey({ origin, synced: true });
  const signal = vi.fn(async () => {});
  let app: INestApplication;
  let phone: VirtualAuthenticator;

  beforeAll(async () => {
    if (age === 'new') newBrowser(key, signal);
    else oldBrowser(key);
    app = await NestFactory.create(AppModule, { logger: ['error'], abortOnError: false });
    await app.listen(0, '127.0.0.1');
    const [url, send] = [await app.getUrl(), fetch];
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => send(url + path, init));
    await post('/auth/register', { email, password });
    await post('/auth/login', { email, password });
    const { otpauthUri } = await post('/mfa/totp/setup', { password });
    phone = new VirtualAuthenticator(otpauthUri, new FixedClock(Date.now()));
    await post('/mfa/totp/confirm', { code: phone.code() });
  });
  afterAll(() => (vi.unstubAllGlobals(), app?.close()));

  it('adds a passkey after TOTP, and requires a step-up with it for a route that resists phishing', async () => {
    expect(canUsePasskeys()).toBe(true);
    await expect(post('/api-keys')).rejects.toMatchObject({ code: 'MFA_ENROLLMENT_REQUIRED', methods: ['passkey'] });
    expect(await addPasskey('Laptop', { code: phone.code(1) })).toMatchObject({ enabled: true });
    await expect(post('/api-keys')).rejects.toMatchObject({ code: 'MFA_STEP_UP_REQUIRED' });
    await stepUpByPasskey();
    expect(await post('/api-keys')).toEqual({ created: true });
  });

  it('signs in with the passkey, and signals which passkeys are accepted', async () => {
    const { mfa_token, methods } = await post('/auth/login', { email, password });
    expect(methods).toEqual(['totp', 'passkey', 'backup_code']);
    await signInByPasskey(mfa_token);
    expect(await post('/api-keys')).toEqual({ created: true });
    const userId = expect.any(String) as string;
    const accepted = { rpId: 'localhost', userId, allAcceptedCredentialIds: [expect.any(String)] };
    if (age === 'new') expect(signal.mock.calls).toEqual([[accepted]]);
  });

  it('requires the passkey for a change, and signals that it is not accepted after its removal', async () => {
    const proof = ['passkey', 'backup_code'];
    const byCode = addPasskey('Phone', { code: '123456' });
    await expect(byCode).rejects.toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof });
    const again = addPasskey('Laptop', { passkey: await provePasskey() });
    expect(passkeyProblem(await again.catch((error: unknown) => error))).toContain('already');
    const { authenticators } = await get('/mfa/status');
    const { id } = authenticators.find(({ type }: { type: string }) => type === 'passkey');
    const status = await removeByPasskey(id);
    expect(status).toMatchObject({ enabled: true, removed: { type: 'passkey', name: 'Laptop' } });
    const none = { rpId: 'localhost', userId: expect.any(String), allAcceptedCredentialIds: [] };
    if (age === 'new') expect(signal).toHaveBeenLastCalledWith(none);
    await expect(stepUpByPasskey()).rejects.toMatchObject({ code: 'MFA_AUTHENTICATOR_NOT_FOUND' });
  });
});
