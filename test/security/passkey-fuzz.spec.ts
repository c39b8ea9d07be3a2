import fc from 'fast-check';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VirtualPasskey } from 'nestjs-mfa/testing';
import { ADAPTERS, dumpTables, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

type Json = Record<string, unknown>;
type Passkey = { response: Json } & Json;
/** Sends a text as the JSON body of a route. `passkey` is what the text has as its passkey. */
type Send = (passkey: string) => Promise<{ status: number; text: string }>;

/** What is right where it is sent as it is. */
interface Target {
  passkey: Passkey;
  send: Send;
}

const ASSERTED = ['id', 'rawId', 'type', 'clientDataJSON', 'authenticatorData', 'signature'];
const REGISTERED = ['id', 'rawId', 'type', 'clientDataJSON', 'attestationObject'];
const OUTER = new Set(['id', 'rawId', 'type']);

/** One change of the bytes of a field. */
const byteChange = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(9_999), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(9_999) }),
  fc.record({
    kind: fc.constant('insert' as const),
    at: fc.nat(9_999),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
  fc.record({ kind: fc.constant('drop' as const), at: fc.nat(9_999), length: fc.integer({ min: 1, max: 9 }) }),
);
type ByteChange = typeof byteChange extends fc.Arbitrary<infer T> ? T : never;

function changed(bytes: Buffer, change: ByteChange): Buffer {
  const at = change.at % bytes.length;
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  if (change.kind === 'cut') return before;
  if (change.kind === 'drop') return Buffer.concat([before, after.subarray(change.length)]);
  if (change.kind === 'insert') return Buffer.concat([before, change.bytes, after]);
  return Buffer.concat([before, Buffer.from([after[0]! ^ (1 << change.bit)]), after.subarray(1)]);
}

/** What does not belong where a string of base64url, or an object with such strings, belongs. */
const wrongValue = fc.oneof(
  fc.constantFrom<unknown>(null, true, 0, -1, 1e308, '', ' ', '\0', '=', 'AA==', '\ud800', [], {}, [[]], '__proto__'),
  fc.constantFrom(1_365, 65_537, 70_000).map((length) => 'A'.repeat(length)),
  fc.constantFrom({ toString: 'x' }, { length: 1e9 }, { type: 'Buffer', data: [1] }, { valueOf: 1 }),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
);

/** Ways to give a field of a response a wrong shape, as JSON text. */
const SHAPES: Record<string, (name: string, right: string, wrong: string) => string> = {
  replaced: (name, _, wrong) => `"${name}":${wrong}`,
  'left out': () => '"extra":1',
  'in __proto__': (name, right) => `"__proto__":{"${name}":${right}}`,
  'in constructor.prototype': (name, right) => `"constructor":{"prototype":{"${name}":${right}}}`,
  'in a list': (name, right) => `"${name}":[${right}]`,
  'in an object': (name, right) => `"${name}":{"value":${right},"${name}":${right}}`,
  'in other letters': (name, right) => `"${name.toUpperCase()}":${right}`,
  'twice, the second wrong': (name, right, wrong) => `"${name}":${right},"${name}":${wrong}`,
  'below twenty levels': (name, right) => `"${name}":${'{"a":'.repeat(20)}${right}${'}'.repeat(20)}`,
};

/** The JSON text of a response in which one member is replaced by this text. */
function rewritten(passkey: Passkey, field: string, member: string): string {
  const without = (object: Json) => Object.entries(object).filter(([name]) => name !== field);
  const members = (object: Json) => without(object).map(([name, value]) => `"${name}":${JSON.stringify(value)}`);
  if (OUTER.has(field) || field === 'response') return `{${[...members(passkey), member].join()}}`;
  const { response, ...outer } = passkey;
  return `{${[...members(outer), `"response":{${[...members(response), member].join()}}`].join()}}`;
}

describe.each(ADAPTERS)('fuzzed passkey responses over %s', (adapter) => {
  let host: HostApp;
  let owner: PasskeyClient;
  let key: VirtualPasskey;
  beforeAll(async () => {
    host = await startHostApp({ adapter, options: { ...PASSKEYS, ...FEW_CODES } });
    owner = new PasskeyClient(host, 'owner');
    // A signature of each algorithm is changed: the registrations are of Ed25519.
    key = newKey({ algorithm: adapter === 'express' ? 'ES256' : 'RS256' });
    await owner.addPasskey(key);
  });
  afterAll(() => host.close());

  const post = (path: string, text: string, session = owner.session) =>
    request(owner.server)
      .post(path)
      .set({ Authorization: `Bearer ${session}`, 'Content-Type': 'application/json' })
      .send(text);
  const at =
    (path: string): Send =>
    async (passkey) =>
      post(path, `{"passkey":${passkey}}`);

  /** A change after which its user has no passkey. */
  const leaving = (pathOf: (id: string) => string) => async () => {
    const leaver = new PasskeyClient(host, 'leaver');
    const own = newKey({ algorithm: 'EdDSA' });
    await leaver.addPasskey(own);
    const [{ id }] = (await leaver.get('/mfa/status')).body.authenticators;
    const send: Send = async (passkey) => post(pathOf(id), `{"passkey":${passkey}}`, leaver.session);
    return { passkey: (await leaver.prove(own)) as never, send };
  };

  const targets: Record<string, () => Promise<Target>> = {
    '/mfa/verify': async () => {
      const { mfa_token, options } = await owner.startPasskeyLogin();
      const send: Send = async (passkey) => post('/mfa/verify', `{"mfa_token":"${mfa_token}","passkey":${passkey}}`);
      return { passkey: key.get(options) as never, send };
    },
    '/mfa/step-up': async () => ({
      passkey: (await owner.prove(key, 'step-up')) as never,
      send: at('/mfa/step-up'),
    }),
    ...Object.fromEntries(
      ['/mfa/backup-codes/regenerate', '/mfa/passkeys/setup', '/mfa/totp/setup'].map((path) => [
        path,
        async () => ({ passkey: (await owner.prove(key)) as never, send: at(path) }),
      ]),
    ),
    '/mfa/disable': leaving(() => '/mfa/disable'),
    '/mfa/authenticators/:id/remove': leaving((id) => `/mfa/authenticators/${id}/remove`),
    // Self attestation signs the whole registration. Without it, a client may register other bytes.
    '/mfa/passkeys/confirm': async () => {
      const { body } = await owner.setupPasskey({ passkey: await owner.prove(key) }).expect(200);
      const passkey = newKey({ algorithm: 'EdDSA' }).create(body.options, { attestation: 'self' });
      return { passkey: passkey as never, send: at('/mfa/passkeys/confirm') };
    },
  };
  const fieldsOf = (path: string) => (path === '/mfa/passkeys/confirm' ? REGISTERED : ASSERTED);

  /** Sends what differs from what is right, and sees it refused without a trace; then sends what is right. */
  async function refuses<T>(
    path: string,
    changes: fc.Arbitrary<T>,
    { alter, seed, numRuns }: { alter: (passkey: Passkey, change: T) => string; seed: number; numRuns: number },
  ): Promise<void> {
    const { passkey, send } = await targets[path]!();
    const before = await dumpTables(host);
    await fc.assert(
      fc.asyncProperty(changes, async (change) => {
        const text = alter(passkey, change);
        fc.pre(text !== JSON.stringify(passkey));
        const { status, text: body } = await send(text);
        expect({ status, body }).toSatisfy(({ status: got }: { status: number }) => got === 400 || got === 401);
        expect(await dumpTables(host)).toEqual(before);
      }),
      { seed, numRuns },
    );
    expect(({} as Json).id).toBeUndefined();
    // Nothing of it was spent: the response as the authenticator made it is accepted.
    expect((await send(JSON.stringify(passkey))).status).toBe(200);
  }

  describe.each(Object.keys(targets))('at %s', (path) => {
    const seed = 82 + adapter.length;

    it('S67 S82 are refused with any byte changed, and change nothing', async () => {
      const changes = fc.tuple(fc.constantFrom(...fieldsOf(path)), byteChange);
      const alter = (passkey: Passkey, [field, change]: [string, ByteChange]) => {
        const copy = structuredClone(passkey);
        const holder: Json = OUTER.has(field) ? copy : copy.response;
        // `type` is a word, the others are bytes.
        const encoding = field === 'type' ? 'latin1' : 'base64url';
        holder[field] = changed(Buffer.from(String(holder[field]), encoding), change).toString(encoding);
        return JSON.stringify(copy);
      };
      await refuses(path, changes, { alter, seed, numRuns: 12 });
    });

    it('S67 S82 are refused with any other structure of JSON, and change nothing', async () => {
      const fields = [...fieldsOf(path), 'response'];
      const changes = fc.tuple(fc.constantFrom(...fields), fc.constantFrom(...Object.keys(SHAPES)), wrongValue);
      const alter = (passkey: Passkey, [field, shape, wrong]: [string, string, unknown]) => {
        const right = JSON.stringify(passkey[field] ?? passkey.response[field]);
        return rewritten(passkey, field, SHAPES[shape]!(field, right, JSON.stringify(wrong)));
      };
      await refuses(path, changes, { alter, seed, numRuns: 9 });
    });
  });

  it('S82 are refused with another encoding of a right signature, and change nothing', async () => {
    const { passkey, send } = await targets['/mfa/verify']!();
    const right = Buffer.from(String(passkey.response.signature), 'base64url');
    const before = await dumpTables(host);
    // Any other length of the DER sequence and of its integers, a byte behind it, and other spellings of base64url.
    const others = [1, 3].flatMap((at) =>
      [1, 2, 4, 8, 16, 128].map((bit) => right.map((byte, i) => (i === at ? byte ^ bit : byte))),
    );
    others.push(Buffer.concat([right, Buffer.alloc(1)]), Buffer.concat([Buffer.alloc(1), right]));
    const spelled = others.map((bytes) => Buffer.from(bytes).toString('base64url'));
    spelled.push(...['=', '==', ' ', '\n', '.'].map((tail) => `${right.toString('base64url')}${tail}`));
    for (const signature of spelled) {
      const response = { ...passkey.response, signature };
      expect((await send(JSON.stringify({ ...passkey, response }))).status).toBe(401);
    }
    expect(await dumpTables(host)).toEqual(before);
    expect((await send(JSON.stringify(passkey))).status).toBe(200);
  });
});
