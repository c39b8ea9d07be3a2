import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isMfaError } from '../../domain/mfa-error.js';
import { VirtualPasskey } from '../../testing/virtual-passkey.js';
import {
  passkeyAssertionOptions,
  passkeyRegistrationOptions,
  verifyPasskeyAssertion,
  verifyPasskeyRegistration,
} from './passkey-ceremonies.js';
import { readAssertion, readRegistration } from './passkey-response.js';

const origin = 'https://example.com';
const party = { rpId: 'example.com', rpName: 'Acme', origins: [origin], userVerification: 'preferred' as const };
const checkChallenge = () => ({ item: 'item', expiresAtMs: 1 }); // the most that a hostile response could hope for
const userHandle = randomBytes(64);
const ceremony = { challenge: randomBytes(54), timeoutMs: 1000 };
const RUNS = { seed: 82, numRuns: 400 };

/** A valid registration that is signed (a self attestation), and a valid assertion by the same passkey. */
async function responses() {
  const key = new VirtualPasskey({ origin });
  const user = { userHandle, accountName: 'ann', exclude: [] };
  const creation = key.create(await passkeyRegistrationOptions(party, { ...ceremony, ...user }), {
    attestation: 'self',
  });
  const verified = await verifyPasskeyRegistration(readRegistration(creation), { party, checkChallenge });
  const passkey = { ...verified!, userHandle };
  const allow = [{ credentialId: passkey.credentialId, transports: [] }] as const;
  const request = key.get(await passkeyAssertionOptions(party, { ...ceremony, allow }));
  return { creation, request, passkey };
}

const valid = await responses();
const register = async (given: unknown) =>
  verifyPasskeyRegistration(readRegistration(given), { party, checkChallenge });
const assert = async (given: unknown) =>
  verifyPasskeyAssertion(readAssertion(given), { party, checkChallenge, passkey: valid.passkey });

/** `refused` or `bad request`. Everything else is a fault. */
async function outcome(verify: () => Promise<object | null>): Promise<string> {
  try {
    return (await verify()) === null ? 'refused' : 'accepted';
  } catch (error) {
    return isMfaError(error) && error.code === 'MFA_BAD_REQUEST' ? 'bad request' : `thrown: ${String(error)}`;
  }
}

/** The bytes with one place changed, removed or added. */
const mutation = fc.record({
  at: fc.nat(),
  remove: fc.integer({ min: 0, max: 3 }),
  insert: fc.uint8Array({ maxLength: 3 }),
});
function mutated(text: string, { at, remove, insert }: { at: number; remove: number; insert: Uint8Array }): string {
  const bytes = Buffer.from(text, 'base64url');
  const start = at % bytes.length;
  return Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(start + remove)]).toString('base64url');
}

it('the responses of the test are valid before they are changed', async () => {
  expect(await outcome(() => register(valid.creation))).toBe('accepted');
  expect(await outcome(() => assert(valid.request))).toBe('accepted');
});

it('S82 a registration with changed bytes is refused and throws nothing', async () => {
  const fields = fc.constantFrom('clientDataJSON' as const, 'attestationObject' as const);
  await fc.assert(
    fc.asyncProperty(fields, mutation, async (field, change) => {
      const { response } = valid.creation;
      const text = mutated(response[field], change);
      fc.pre(text !== response[field]);
      expect(await outcome(() => register({ ...valid.creation, response: { ...response, [field]: text } }))).toBe(
        'refused',
      );
    }),
    RUNS,
  );
});

it('S82 an assertion with changed bytes is refused and throws nothing', async () => {
  const fields = fc.constantFrom('clientDataJSON', 'authenticatorData', 'signature', 'userHandle');
  await fc.assert(
    fc.asyncProperty(fields, mutation, async (field, change) => {
      const response: Record<string, string | undefined> = { ...valid.request.response };
      const text = mutated(response[field]!, change);
      fc.pre(text !== response[field]);
      expect(await outcome(() => assert({ ...valid.request, response: { ...response, [field]: text } }))).toBe(
        'refused',
      );
    }),
    RUNS,
  );
});

it('S82 a response with any text in a field is refused and throws nothing else', async () => {
  const text = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.base64String({ maxLength: 60 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
    fc.json({ maxDepth: 3 }).map((json) => Buffer.from(json).toString('base64url')),
  );
  const names = [
    'id',
    'rawId',
    'type',
    'clientDataJSON',
    'attestationObject',
    'authenticatorData',
    'signature',
    'userHandle',
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...names), text, async (name, value) => {
      for (const [given, verify] of [
        [valid.creation, register],
        [valid.request, assert],
      ] as const) {
        // A registration reads its authenticator data from the attestation object.
        if (!(name in given) && !(name in given.response)) continue;
        if (verify === register && name === 'authenticatorData') continue;
        if (name === 'userHandle' && value === '') continue;
        const inner = name in given ? given.response : { ...given.response, [name]: value };
        const outer = name in given ? { ...given, [name]: value } : given;
        expect(['refused', 'bad request']).toContain(await outcome(() => verify({ ...outer, response: inner })));
      }
    }),
    RUNS,
  );
});

it('S67 any JSON in place of a response is refused and throws nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), async (value) => {
      expect(await outcome(() => register(value))).toBe('bad request');
      expect(await outcome(() => assert(value))).toBe('bad request');
    }),
    RUNS,
  );
});
