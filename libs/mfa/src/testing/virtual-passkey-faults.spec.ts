import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { attestationCertificate } from '../../../../test/support/attestation-certificate.js';
import { relyingParty, clientDataOfResponse } from '../../../../test/support/relying-party.js';
import { VirtualPasskey } from './virtual-passkey.js';
import type {
  VirtualPasskeyCreateFaults,
  VirtualPasskeyGetFaults,
  VirtualPasskeySettings,
} from './virtual-passkey.types.js';

const origin = 'https://app.acme.example';
const other = randomBytes(32).toString('base64url');
const newKey = (settings: Partial<VirtualPasskeySettings> = {}) => new VirtualPasskey({ origin, ...settings });
const { setup, request, register, authenticate } = await relyingParty(origin);

describe('faults that SimpleWebAuthn refuses', () => {
  const common: [VirtualPasskeyGetFaults & VirtualPasskeyCreateFaults, RegExp][] = [
    [{ badSignature: true }, /not verified/],
    [{ origin: 'https://evil.example' }, /origin/],
    [{ rpId: 'evil.example' }, /RP ID/],
    [{ challenge: other }, /challenge/],
    [{ type: 'payment.get' }, /response type/],
    [{ userPresent: false }, /not present/],
    [{ userVerified: false }, /user could not be verified/],
    [{ backedUp: true }, /Single-device credential/],
    [{ malformed: 'authenticatorData' }, /Map is not/],
  ];

  it.each([
    ...common,
    [{ malformed: 'attestationObject' }, /Map is not/],
    [{ attestation: 'x5c' }, /Certificate ASN1 schema/],
    [{ attestation: 'self', badSignature: true }, /not verified/],
  ] as [VirtualPasskeyCreateFaults, RegExp][])('refuses a registration with %o', async (faults, reason) => {
    const key = newKey();
    await expect(register(key.create(setup, faults))).rejects.toThrow(reason);
    await expect(register(key.create(setup))).resolves.toBeDefined();
  });

  it.each([...common, [{ topOrigin: 'https://evil.example' }, /cross-origin/]] as [VirtualPasskeyGetFaults, RegExp][])(
    'refuses an assertion with %o',
    async (faults, reason) => {
      const key = newKey();
      const registration = key.create(setup);
      await expect(authenticate(key.get(request, faults), registration)).rejects.toThrow(reason);
      await expect(authenticate(key.get(request), registration)).resolves.toBeDefined();
    },
  );

  it.each(['ES256', 'EdDSA', 'RS256'] as const)('refuses a bad signature of %s', async (algorithm) => {
    const key = newKey({ algorithm });
    const registration = key.create(setup, { attestation: 'self' });
    expect((await register(registration)).fmt).toBe('packed');
    const assertion = key.get(request, { badSignature: true });
    await expect(authenticate(assertion, registration)).rejects.toThrow('not verified');
  });

  it('refuses the counter of a clone, which leaves the counter of the passkey as it is', async () => {
    const key = newKey();
    const registration = key.create(setup);
    const clone = key.get(request, { counter: 1 });
    await expect(authenticate(clone, registration, 1)).rejects.toThrow(/counter value 1/);
    expect(await authenticate(key.get(request), registration, 1)).toMatchObject({ newCounter: 2 });
    expect(await authenticate(key.get(request, { counter: 2 ** 32 - 1 }), registration)).toMatchObject({
      newCounter: 2 ** 32 - 1,
    });
  });
});

describe('faults that only the server itself can refuse', () => {
  it.each<[VirtualPasskeySettings['synced'], VirtualPasskeyGetFaults, object]>([
    [false, { backupEligible: true }, { credentialDeviceType: 'multiDevice', credentialBackedUp: false }],
    [true, { backupEligible: false, backedUp: false }, { credentialDeviceType: 'singleDevice' }],
    [true, { backedUp: false }, { credentialBackedUp: false }],
    [false, { crossOrigin: true }, {}],
    [false, { userHandle: other }, {}],
    [false, { userHandle: null }, {}],
    [false, { credentialId: other }, {}],
    [false, { oversized: 100_000 }, {}],
  ])('verifies an assertion with synced %s and %o', async (synced, faults, info) => {
    const key = newKey({ synced });
    const registration = key.create(setup);
    expect(await authenticate(key.get(request, faults), registration)).toMatchObject(info);
  });

  it('states a foreign credential id, a foreign user handle, none, and a frame', () => {
    const key = newKey();
    key.create(setup);
    expect(key.get(request, { credentialId: other })).toMatchObject({ id: other, rawId: other });
    expect(key.get(request, { userHandle: other }).response.userHandle).toBe(other);
    expect(key.get(request, { userHandle: null }).response).not.toHaveProperty('userHandle');
    expect(clientDataOfResponse(key.get(request, { crossOrigin: true }))).toMatchObject({ crossOrigin: true });
    const framed = clientDataOfResponse(key.create(setup, { topOrigin: 'https://evil.example' }));
    expect(framed).toMatchObject({ crossOrigin: true, topOrigin: 'https://evil.example' });
  });

  it('verifies a registration with a foreign credential id, AAGUID, transports and padding', async () => {
    const credentialId = randomBytes(1023).toString('base64url');
    const aaguid = 'ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4';
    const faults = { credentialId, aaguid, transports: ['telepathy'], oversized: 70_000, crossOrigin: true };
    const registration = newKey().create(setup, faults);
    expect(await register(registration)).toMatchObject({ aaguid, credential: { id: credentialId } });
    expect(registration.response.transports).toEqual(['telepathy']);
    expect(registration.response.attestationObject.length).toBeGreaterThan(70_000);
  });

  it('verifies an attestation with a well-formed chain', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const x5c = [attestationCertificate(publicKey, privateKey)];
    const attestation = { x5c, privateKey };
    expect(await register(newKey({ algorithm: 'EdDSA' }).create(setup, { attestation }))).toMatchObject({
      fmt: 'packed',
    });
  });
});
