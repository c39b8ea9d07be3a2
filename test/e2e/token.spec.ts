import { createHmac, hkdfSync, sign as signWith, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { dumpTables, FEW_CODES, startHostApp, TEST_KEY, type HostApp } from '../support/host-app.js';

type Json = Record<string, unknown>;

const encode = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json;
const derive = (label: string) => Buffer.from(hkdfSync('sha256', TEST_KEY.secret, '', label, 32));
const TOKEN_KEY = derive('nestjs-mfa/mfa-token/v1');
const SEAL_KEY = derive('nestjs-mfa/seal/v1');

/** A hand-made JWT; no library decides what may stand in it. */
function forge(header: Json, payload: Json, { hash = 'sha256', key = TOKEN_KEY as Buffer | string } = {}): string {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`;
}

/** What a token says. */
function parts(token: string): { header: Json; payload: Json } {
  const [header, payload] = token.split('.');
  return { header: decode(header!), payload: decode(payload!) };
}

describe('the mfa_token', () => {
  let host: HostApp;
  let user: Client;
  let genuine: { header: Json; payload: Json };
  let code: () => string;

  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES });
    user = new Client(host, 'alice');
    const { authenticator } = await user.enroll();
    code = () => authenticator.code();
    genuine = parts(await user.login());
  });
  afterAll(() => host.close());

  const now = () => Math.floor(host.clock.nowMs() / 1000);

  async function expectRefused(token: string): Promise<void> {
    const before = await dumpTables(host);
    await user.verify(token, code()).expect(401, /MFA_TOKEN_INVALID/);
    expect(await dumpTables(host)).toEqual(before);
  }

  it('S40 has typ, aud, iss, sub, jti, iat and exp, one pinned algorithm and a lifetime of five minutes', () => {
    expect(genuine.header).toEqual({ alg: 'HS256', typ: 'mfa+jwt', kid: 'k1' });
    expect(genuine.payload).toEqual({
      iss: 'Acme',
      aud: 'nestjs-mfa:verify',
      sub: 'alice',
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      stamp: expect.any(Number),
      iat: now(),
      exp: now() + 300,
    });
  });

  it('is accepted when the forgery of this file makes every part right', async () => {
    const other = new Client(host, 'forged');
    const { authenticator } = await other.enroll();
    const { header, payload } = parts(await other.login());
    await other.verify(forge(header, { ...payload, jti: 'another' }), authenticator.code()).expect(200);
  });

  describe('S40 is refused', () => {
    it.each(['none', 'None', 'NONE', 'nOnE'])('with alg %s, signed or not', async (alg) => {
      const header = { ...genuine.header, alg };
      await expectRefused(`${encode(header)}.${encode(genuine.payload)}.`);
      await expectRefused(`${encode(header)}.${encode(genuine.payload)}`);
      await expectRefused(forge(header, genuine.payload));
    });

    it.each([
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
    ])('with %s', async (alg, hash) => {
      await expectRefused(forge({ ...genuine.header, alg }, genuine.payload, { hash }));
      await expectRefused(forge(genuine.header, genuine.payload, { hash }));
    });

    it('with RS256', async () => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const signed = `${encode({ ...genuine.header, alg: 'RS256' })}.${encode(genuine.payload)}`;
      await expectRefused(`${signed}.${signWith('sha256', Buffer.from(signed), privateKey).toString('base64url')}`);
    });

    it.each(['alg', 'typ', 'kid'])('without %s in its header', async (name) => {
      await expectRefused(forge({ ...genuine.header, [name]: undefined }, genuine.payload));
    });

    it.each([
      ['typ', 'JWT'],
      ['typ', 'at+jwt'],
      ['typ', ['mfa+jwt']],
      ['kid', 'k2'],
      ['kid', 1],
      ['kid', '__proto__'],
    ])('with the header %s %j', async (name, value) => {
      await expectRefused(forge({ ...genuine.header, [name]: value }, genuine.payload));
    });

    it.each(['iss', 'aud', 'sub', 'jti', 'stamp', 'iat', 'exp'])('without %s', async (name) => {
      await expectRefused(forge(genuine.header, { ...genuine.payload, [name]: undefined }));
    });

    it.each([
      ['iss', 'Evil'],
      ['iss', ['Acme']],
      ['aud', 'nestjs-mfa'],
      ['aud', ['other']],
      ['sub', ''],
      ['sub', 0],
      ['sub', ['alice']],
      ['sub', { toString: 'alice' }],
      ['sub', 'Alice'],
      ['sub', 'alice '],
      ['sub', 'bob'],
      ['jti', ''],
      ['jti', 7],
      ['jti', 'nul\u0000'],
      ['jti', 'x'.repeat(65)],
      ['stamp', '1'],
      ['stamp', 1.5],
      ['stamp', 0],
      ['iat', 'now'],
      ['exp', 'never'],
    ])('with %s %j', async (name, value) => {
      await expectRefused(forge(genuine.header, { ...genuine.payload, [name]: value }));
    });

    it.each([
      ['a longer lifetime', () => ({ iat: now(), exp: now() + 301 })],
      ['a lifetime that began in the future', () => ({ iat: now() + 3600, exp: now() + 3700 })],
      ['an expiry before its beginning', () => ({ iat: now() + 30, exp: now() + 20 })],
      ['an expiry in the past', () => ({ iat: now() - 301, exp: now() - 1 })],
      ['an expiry right now', () => ({ iat: now() - 300, exp: now() })],
      ['a beginning in the future by nbf', () => ({ nbf: now() + 60 })],
    ])('with %s', async (_, times) => {
      await expectRefused(forge(genuine.header, { ...genuine.payload, ...times() }));
    });

    it('without a signature, with a cut one, and with a changed payload', async () => {
      const token = forge(genuine.header, genuine.payload);
      const [header, payload, signature] = token.split('.') as [string, string, string];
      await expectRefused(`${header}.${payload}.`);
      await expectRefused(token.slice(0, -2));
      await expectRefused(`${header}.${encode({ ...genuine.payload, sub: 'bob' })}.${signature}`);
      await expectRefused(`${token}.${signature}`);
    });

    it.each(['x', 'a.b', 'a.b.c', '..', 'null', '{}', '\u0000', 'ü.ü.ü', 'x'.repeat(4096)])(
      'as the text %j',
      expectRefused,
    );
  });

  describe('S8 is refused when it was signed', () => {
    it.each([
      ['with the secret itself', TEST_KEY.secret],
      ["with the secret's decoded bytes", Buffer.from(TEST_KEY.secret, 'base64')],
      ['with the key that seals', SEAL_KEY],
      ['with no key', ''],
    ])('%s', async (_, key) => {
      await expectRefused(forge(genuine.header, genuine.payload, { key }));
    });
  });

  describe('S41 next to the tokens of the host', () => {
    it('is not accepted as a session of the host', async () => {
      const token = await user.login();
      for (const path of ['/mfa/status', '/payouts', '/transfers']) {
        await new Client(host, 'alice', token).get(path).expect(401, /MFA_NOT_AUTHENTICATED/);
      }
    });

    it('is not a host token, though that was signed with the same secret', async () => {
      const claims = {
        sub: 'alice',
        iat: now(),
        exp: now() + 300,
        iss: 'Acme',
        jti: 'x',
        stamp: genuine.payload.stamp,
      };
      for (const header of [{ alg: 'HS256', typ: 'JWT' }, genuine.header]) {
        for (const key of [TEST_KEY.secret, Buffer.from(TEST_KEY.secret, 'base64')]) {
          await expectRefused(forge(header, claims, { key }));
          await expectRefused(forge(header, { ...claims, aud: 'nestjs-mfa:verify' }, { key }));
        }
      }
    });

    it('is not a session of the host', async () => {
      await user.post('/mfa/verify', { code: code() }).expect(401, /MFA_TOKEN_INVALID/);
    });
  });

  it('S63 is valid while the key that signed it is in the ring, and not afterwards', async () => {
    const rotated = { id: 'k2', secret: 'Zt4w7sPq1mJx9vKe3bRy6uHa8cNf2dLg5oTi0jWqXzM=' };
    const token = await user.login();
    const options = { on: host.database, options: { ...FEW_CODES, keys: [rotated, TEST_KEY] } };
    const next = await startHostApp(options);
    const last = await startHostApp({ ...options, options: { ...FEW_CODES, keys: [rotated] } });
    for (const { clock } of [next, last]) clock.set(host.clock.nowMs());
    await new Client(last, 'alice').verify(token, code()).expect(401, /MFA_TOKEN_INVALID/);
    await new Client(next, 'alice').verify(token, code()).expect(200);
    expect(parts(await new Client(next, 'alice').login()).header).toMatchObject({ kid: 'k2' });
    await next.close();
    await last.close();
  });
});

describe.each(testDatabases)('S42 the subject of an mfa_token on %s', (kind) => {
  it('is exactly one user: an id that the database considers equal is refused', async () => {
    const host = await startHostApp({ database: kind, options: FEW_CODES });
    const user = new Client(host, 'Alice42');
    const { authenticator } = await user.enroll();
    const { header, payload } = parts(await user.login());
    for (const sub of ['Alice42 ', ' Alice42', 'alice42', 'ALICE42', 'Alicé42', 'Alice42\u0000', 0, '0', true, null]) {
      const token = forge(header, { ...payload, sub });
      await user.verify(token, authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
    }
    await user.verify(forge(header, payload), authenticator.code()).expect(200);
    await host.close();
  });
});
