import { randomBytes } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import type { VirtualPasskeyCreateFaults, VirtualPasskeyGetFaults } from '../../testing/virtual-passkey.types.js';
import { VirtualPasskey } from '../../testing/virtual-passkey.js';
import {
  passkeyAssertionOptions,
  type PasskeyParty,
  passkeyRegistrationOptions,
  requirePasskeyLibrary,
  type StoredPasskeyKey,
  type VerifiedPasskeyRegistration,
  verifyPasskeyAssertion,
  verifyPasskeyRegistration,
} from './passkey-ceremonies.js';
import { readAssertion, readRegistration } from './passkey-response.js';

// Calls still reach the library; the tests see which ones.
vi.mock('@simplewebauthn/server', { spy: true });

const ORIGIN = 'https://login.example.com';
const party: PasskeyParty = {
  rpId: 'example.com',
  rpName: 'Acme',
  origins: ['https://example.com', ORIGIN],
  userVerification: 'preferred',
};
const strict: PasskeyParty = { ...party, userVerification: 'required' };
const userHandle = randomBytes(64);
const checked = { item: 'spent-once', expiresAtMs: 1 };

type Device = Partial<ConstructorParameters<typeof VirtualPasskey>[0]>;
const device = (settings: Device = {}) => new VirtualPasskey({ origin: ORIGIN, ...settings });

const challengeCheck = (bytes: Uint8Array) => {
  const expected = Buffer.from(bytes).toString('base64url');
  return (challenge: string) => (challenge === expected ? checked : null);
};

async function creationOptions(challenge = randomBytes(54), of = party) {
  const params = { challenge, timeoutMs: 300_000, userHandle, accountName: 'ann@example.com', exclude: [] };
  return passkeyRegistrationOptions(of, params);
}

/** A registration, with a fault in it. */
async function register(key: VirtualPasskey, faults: VirtualPasskeyCreateFaults = {}, of = party) {
  const challenge = randomBytes(54);
  const response = readRegistration(key.create(await creationOptions(challenge), faults));
  return verifyPasskeyRegistration(response, { party: of, checkChallenge: challengeCheck(challenge) });
}

const stored = (registration: VerifiedPasskeyRegistration | null): StoredPasskeyKey => ({
  ...registration!,
  userHandle,
});

async function requestOptions(passkey: StoredPasskeyKey, challenge: Uint8Array) {
  const allow = { credentialId: passkey.credentialId, transports: ['usb'] };
  return passkeyAssertionOptions(party, { challenge, timeoutMs: 300_000, allow: [allow] });
}

interface Assertion {
  faults?: VirtualPasskeyGetFaults;
  of?: PasskeyParty;
  change?: Partial<StoredPasskeyKey>;
  /** Changes the JSON before it is read. */
  edit?: (response: ReturnType<VirtualPasskey['get']>) => object;
}

/** An assertion by a registered passkey, with a fault in it. */
async function assert(key: VirtualPasskey, passkey: StoredPasskeyKey, { faults, of, change, edit }: Assertion = {}) {
  const challenge = randomBytes(54);
  const given = key.get(await requestOptions(passkey, challenge), faults);
  const response = readAssertion(edit ? edit(given) : given);
  const params = { party: of ?? party, passkey: { ...passkey, ...change }, checkChallenge: challengeCheck(challenge) };
  return verifyPasskeyAssertion(response, params);
}

describe('the options of a registration', () => {
  it('have what the browser needs, without attestation', async () => {
    const challenge = randomBytes(54);
    expect(await creationOptions(challenge)).toMatchObject({
      rp: { id: 'example.com', name: 'Acme' },
      user: { id: userHandle.toString('base64url'), name: 'ann@example.com', displayName: 'ann@example.com' },
      challenge: challenge.toString('base64url'),
      timeout: 300_000,
      attestation: 'none',
      excludeCredentials: [],
    });
  });

  it('S85 offer the same algorithms on every version of Node', async () => {
    const { pubKeyCredParams } = await creationOptions();
    expect(pubKeyCredParams).toEqual([-8, -7, -257].map((alg) => ({ alg, type: 'public-key' })));
  });

  it('have their own selection of authenticators each time', async () => {
    const [first, second] = [await creationOptions(), await creationOptions(randomBytes(54), strict)];
    expect(first.authenticatorSelection).toEqual({
      residentKey: 'preferred',
      requireResidentKey: false,
      userVerification: 'preferred',
    });
    expect(second.authenticatorSelection.userVerification).toBe('required');
    expect((await creationOptions()).authenticatorSelection).not.toBe(first.authenticatorSelection);
  });

  it('exclude the passkeys of the user', async () => {
    const exclude = [{ credentialId: 'aWQ', transports: ['usb', 'smart-card'] }];
    const params = { challenge: randomBytes(54), timeoutMs: 1, userHandle, accountName: 'ann', exclude };
    const { excludeCredentials } = await passkeyRegistrationOptions(party, params);
    expect(excludeCredentials).toEqual([{ id: 'aWQ', type: 'public-key', transports: ['usb', 'smart-card'] }]);
  });
});

describe('the options of an assertion', () => {
  it('name the passkeys of the user and the required user verification', async () => {
    const challenge = randomBytes(54);
    const allow = [{ credentialId: 'aWQ', transports: ['nfc'] }] as const;
    expect(await passkeyAssertionOptions(strict, { challenge, timeoutMs: 9000, allow })).toMatchObject({
      rpId: 'example.com',
      challenge: challenge.toString('base64url'),
      timeout: 9000,
      userVerification: 'required',
      allowCredentials: [{ id: 'aWQ', type: 'public-key', transports: ['nfc'] }],
    });
  });
});

describe('a registration', () => {
  it.each(['ES256', 'EdDSA', 'RS256'] as const)('S85 is verified for a key of %s', async (algorithm) => {
    const registration = await register(device({ algorithm }));
    expect(registration).toMatchObject({ backupEligible: false, backedUp: false, userVerified: true, counter: 1 });
    expect(registration).toMatchObject({ transports: ['usb'], challenge: checked });
  });

  it('returns what the authenticator says about itself', async () => {
    const aaguid = 'd548826e-79b4-db40-a3d8-11116f7e8349';
    const key = device({ synced: true, userVerification: false });
    const registration = await register(key, { aaguid, transports: ['hybrid', 'smart-card'], backedUp: false });
    expect(registration).toMatchObject({
      aaguid,
      transports: ['hybrid', 'smart-card'],
      userVerified: false,
      counter: 0,
    });
    expect(registration).toMatchObject({ backupEligible: true, backedUp: false });
  });

  it('is verified with a self attestation, which a browser may pass on', async () => {
    expect(await register(device(), { attestation: 'self' })).not.toBeNull();
  });

  it('is verified with a credential id of 1023 bytes, the longest', async () => {
    const credentialId = randomBytes(1023).toString('base64url');
    expect(await register(device({ algorithm: 'RS256' }), { credentialId })).toMatchObject({ credentialId });
  });

  it.each<[string, VirtualPasskeyCreateFaults]>([
    ['a wrong signature', { badSignature: true }],
    ['a foreign origin', { origin: 'https://example.org' }],
    ['an origin below a listed one', { origin: 'https://evil.login.example.com' }],
    ['an origin with another port', { origin: `${ORIGIN}:8443` }],
    ['an origin with http', { origin: 'http://login.example.com' }],
    ['a foreign rp id', { rpId: 'example.org' }],
    ['a subdomain as rp id', { rpId: 'login.example.com' }],
    ['a foreign challenge', { challenge: randomBytes(54).toString('base64url') }],
    ['an empty challenge', { challenge: '' }],
    ['the type of an assertion', { type: 'webauthn.get' }],
    ['crossOrigin', { crossOrigin: true }],
    ['topOrigin', { topOrigin: 'https://example.com' }],
    ['topOrigin without crossOrigin', { topOrigin: 'https://example.com', crossOrigin: false }],
    ['missing user presence', { userPresent: false }],
    ['a backup without backup eligibility', { backedUp: true, backupEligible: false }],
    ['oversized authenticator data', { oversized: 9000 }],
    ['malformed authenticator data', { malformed: 'authenticatorData' }],
    ['a malformed attestation object', { malformed: 'attestationObject' }],
    ['a certificate', { attestation: 'x5c' }],
  ])('S82 with %s is refused', async (_, faults) => {
    const key = device();
    expect(await register(key)).not.toBeNull();
    expect(await register(key, faults)).toBeNull();
  });

  it.each<[string, VirtualPasskeyCreateFaults]>([
    ['a certificate', { attestation: 'x5c' }],
    ['crossOrigin', { crossOrigin: true }],
    ['oversized authenticator data', { oversized: 9000 }],
  ])('S82 with %s is refused before the library sees it', async (_, faults) => {
    const library = vi.mocked(await import('@simplewebauthn/server'));
    library.verifyRegistrationResponse.mockClear();
    expect(await register(device(), faults)).toBeNull();
    expect(library.verifyRegistrationResponse).not.toHaveBeenCalled();
    await register(device());
    expect(library.verifyRegistrationResponse).toHaveBeenCalledOnce();
  });

  it('S82 without user verification is refused only where it is required', async () => {
    const key = device({ userVerification: false });
    expect(await register(key)).toMatchObject({ userVerified: false });
    expect(await register(key, {}, strict)).toBeNull();
    expect(await register(device(), {}, strict)).toMatchObject({ userVerified: true });
  });

  it.each<[string, { id?: string; rawId?: string; type?: string }]>([
    ['another credential id than the authenticator has', { id: 'b3RoZXI', rawId: 'b3RoZXI' }],
    ['two credential ids', { rawId: 'b3RoZXI' }],
    ['another type', { type: 'password' }],
  ])('S82 with %s is refused', async (_, change) => {
    const challenge = randomBytes(54);
    const response = readRegistration(device().create(await creationOptions(challenge)));
    const params = { party, checkChallenge: challengeCheck(challenge) };
    expect(await verifyPasskeyRegistration(response, params)).not.toBeNull();
    expect(await verifyPasskeyRegistration({ ...response, ...change }, params)).toBeNull();
  });

  it('has no transports where the browser names none', async () => {
    const challenge = randomBytes(54);
    const response = readRegistration(device().create(await creationOptions(challenge)));
    delete response.response.transports;
    const params = { party, checkChallenge: challengeCheck(challenge) };
    expect(await verifyPasskeyRegistration(response, params)).toMatchObject({ transports: [] });
  });

  it('S45 is refused where the library does not call it verified, or did not check the challenge', async () => {
    const library = vi.mocked(await import('@simplewebauthn/server'));
    const { verifyRegistrationResponse: verify } =
      await vi.importActual<typeof import('@simplewebauthn/server')>('@simplewebauthn/server');
    library.verifyRegistrationResponse.mockImplementationOnce(
      async (options) => ({ ...(await verify(options)), verified: false }) as never,
    );
    expect(await register(device())).toBeNull();
    library.verifyRegistrationResponse.mockImplementationOnce((options) =>
      verify({ ...options, expectedChallenge: () => true }),
    );
    expect(await register(device())).toBeNull();
    expect(await register(device())).not.toBeNull();
  });

  it('S82 is refused with a challenge that is not text, which is not checked', async () => {
    const checkChallenge = vi.fn<() => typeof checked>(() => checked);
    const response = readRegistration(device().create(await creationOptions(), { challenge: 7 as never }));
    expect(await verifyPasskeyRegistration(response, { party, checkChallenge })).toBeNull();
    expect(checkChallenge).not.toHaveBeenCalled();
  });

  it('S82 is refused when the check of the challenge throws', async () => {
    const response = readRegistration(device().create(await creationOptions()));
    const checkChallenge = () => {
      throw new Error('broken');
    };
    expect(await verifyPasskeyRegistration(response, { party, checkChallenge })).toBeNull();
  });
});

describe('an assertion', () => {
  it.each(['ES256', 'EdDSA', 'RS256'] as const)('S85 is verified for a key of %s', async (algorithm) => {
    const key = device({ algorithm });
    const passkey = stored(await register(key));
    const verified = { counter: 2, backedUp: false, userVerified: true, challenge: checked };
    expect(await assert(key, passkey)).toEqual(verified);
  });

  it('S83 is verified with any counter, which is compared afterwards', async () => {
    const key = device();
    const passkey = stored(await register(key));
    for (const counter of [0, 1, 5, 0xffffffff]) {
      expect(await assert(key, passkey, { faults: { counter } })).toMatchObject({ counter });
    }
  });

  it('reports a changed backup state', async () => {
    const key = device({ synced: true });
    const passkey = stored(await register(key));
    expect(await assert(key, passkey)).toMatchObject({ backedUp: true });
    expect(await assert(key, passkey, { faults: { backedUp: false } })).toMatchObject({ backedUp: false });
  });

  it.each<[string, Assertion]>([
    ['a wrong signature', { faults: { badSignature: true } }],
    ['a foreign origin', { faults: { origin: 'https://example.org' } }],
    ['a foreign rp id', { faults: { rpId: 'example.org' } }],
    ['a foreign challenge', { faults: { challenge: randomBytes(54).toString('base64url') } }],
    ['the type of a registration', { faults: { type: 'webauthn.create' } }],
    ['crossOrigin', { faults: { crossOrigin: true } }],
    ['topOrigin', { faults: { topOrigin: 'https://example.com' } }],
    ['missing user presence', { faults: { userPresent: false } }],
    ['a backup eligibility that appeared', { faults: { backupEligible: true } }],
    ['a backup eligibility that disappeared', { change: { backupEligible: true } }],
    ['a backup without backup eligibility', { faults: { backedUp: true } }],
    ['oversized authenticator data', { faults: { oversized: 9000 } }],
    ['malformed authenticator data', { faults: { malformed: 'authenticatorData' } }],
    ['a foreign user handle', { faults: { userHandle: randomBytes(64).toString('base64url') } }],
    ['a user handle that is not base64url', { faults: { userHandle: '%%%' } }],
    ['a user handle for an account without one', { change: { userHandle: null } }],
    ['another credential id', { faults: { credentialId: randomBytes(32).toString('base64url') } }],
    ['two credential ids', { edit: (response) => ({ ...response, rawId: 'b3RoZXI' }) }],
    ['another type', { edit: (response) => ({ ...response, type: 'password' }) }],
    ['the stored key of another passkey', { change: { publicKey: new Uint8Array(77) } }],
  ])('S82 with %s is refused', async (_, assertion) => {
    const key = device();
    const passkey = stored(await register(key));
    expect(await assert(key, passkey)).not.toBeNull();
    expect(await assert(key, passkey, assertion)).toBeNull();
  });

  it('S82 without user verification is refused only where it is required', async () => {
    const key = device({ userVerification: false });
    const passkey = stored(await register(key));
    expect(await assert(key, passkey)).toMatchObject({ userVerified: false });
    expect(await assert(key, passkey, { of: strict })).toBeNull();
    expect(await assert(key, passkey, { of: strict, faults: { userVerified: true } })).not.toBeNull();
  });

  it('is verified without a user handle, as security keys send it', async () => {
    const key = device();
    const passkey = stored(await register(key));
    expect(await assert(key, passkey, { faults: { userHandle: null } })).not.toBeNull();
    expect(await assert(key, passkey, { faults: { userHandle: '' } })).not.toBeNull();
  });

  it('S82 with a signature whose DER has a wrong length is refused, though the library accepts it', async () => {
    const library = vi.mocked(await import('@simplewebauthn/server'));
    const key = device();
    const passkey = stored(await register(key));
    const edit = (response: ReturnType<VirtualPasskey['get']>) => {
      const signature = Buffer.from(response.response.signature, 'base64url');
      signature[1]! += 1;
      return { ...response, response: { ...response.response, signature: signature.toString('base64url') } };
    };
    library.verifyAuthenticationResponse.mockClear();
    expect(await assert(key, passkey, { edit })).toBeNull();
    expect(library.verifyAuthenticationResponse).not.toHaveBeenCalled();
  });

  it('S82 by another key is refused', async () => {
    const key = device();
    const passkey = stored(await register(key));
    const other = stored(await register(device()));
    expect(await assert(key, passkey, { change: { publicKey: other.publicKey } })).toBeNull();
  });
});

describe('requirePasskeyLibrary', () => {
  it('accepts an installed library', async () => {
    await expect(requirePasskeyLibrary()).resolves.toBeUndefined();
  });

  it('S75 names the package that is missing, and how to install it', async () => {
    vi.resetModules();
    vi.doMock('@simplewebauthn/server', () => {
      throw new Error('Cannot find package');
    });
    const fresh = await import('./passkey-ceremonies.js');
    await expect(fresh.requirePasskeyLibrary()).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(/`passkeys` needs the package @simplewebauthn\/server.*npm install/) as string,
    });
    vi.doUnmock('@simplewebauthn/server');
  });
});
