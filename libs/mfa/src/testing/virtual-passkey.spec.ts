import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { relyingParty, clientDataOfResponse } from '../../../../test/support/relying-party.js';
import { VirtualPasskey } from './virtual-passkey.js';
import type { VirtualPasskeySettings } from './virtual-passkey.types.js';

const origin = 'https://app.acme.example';
const other = randomBytes(32).toString('base64url');
const newKey = (settings: Partial<VirtualPasskeySettings> = {}) => new VirtualPasskey({ origin, ...settings });
const { setup, request, register, authenticate } = await relyingParty(origin);

describe('VirtualPasskey', () => {
  it.each(['ES256', 'EdDSA', 'RS256'] as const)('registers and signs in with %s', async (algorithm) => {
    const key = newKey({ algorithm });
    const registration = key.create(setup);
    const { credential, ...info } = await register(registration);
    expect(credential.id).toBe(registration.id);
    expect(info).toMatchObject({ fmt: 'none', userVerified: true, aaguid: '00000000-0000-0000-0000-000000000000' });
    expect(clientDataOfResponse(registration)).toMatchObject({ crossOrigin: false });
    const assertion = key.get({ ...request, allowCredentials: [{ id: registration.id }] });
    expect(assertion).toMatchObject({ id: registration.id, response: { userHandle: setup.user.id } });
    expect(await authenticate(assertion, registration)).toMatchObject({ credentialID: registration.id });
  });

  it('is device-bound and counts, without other settings', async () => {
    const key = newKey();
    const registration = key.create(setup);
    expect(registration.response.transports).toEqual(['usb']);
    expect(await register(registration)).toMatchObject({
      credential: { counter: 1 },
      credentialDeviceType: 'singleDevice',
      credentialBackedUp: false,
    });
    expect(await authenticate(key.get(request), registration)).toMatchObject({ newCounter: 2 });
    expect(await authenticate(key.get(request), registration, 2)).toMatchObject({ newCounter: 3 });
  });

  it.each([
    [{ synced: true }, { credentialDeviceType: 'multiDevice', credentialBackedUp: true, newCounter: 0 }],
    [
      { synced: true, backedUp: false },
      { credentialDeviceType: 'multiDevice', credentialBackedUp: false },
    ],
    [
      { synced: true, counter: 'increments' as const },
      { credentialDeviceType: 'multiDevice', newCounter: 2 },
    ],
    [{ counter: 'zero' as const }, { credentialDeviceType: 'singleDevice', newCounter: 0 }],
  ])('has the flags and the counter of %o', async (settings, info) => {
    const key = newKey(settings);
    const registration = key.create(setup);
    expect(await authenticate(key.get(request), registration)).toMatchObject(info);
  });

  it('refuses to be backed up without being synced', () => {
    expect(() => newKey({ backedUp: true })).toThrow(TypeError);
  });

  it.each([
    ['create', 'discouraged'],
    ['get', 'discouraged'],
  ])('does not verify the user when %s says "%s"', async (call, userVerification) => {
    const key = newKey();
    const discouraged = { ...setup, authenticatorSelection: { userVerification } };
    const registration = key.create(call === 'create' ? discouraged : setup);
    const used =
      call === 'create'
        ? register(registration)
        : authenticate(key.get({ ...request, userVerification }), registration);
    await expect(used).rejects.toThrow(/user could not be verified/);
  });

  describe('as a browser', () => {
    const required = { userVerification: 'required' };
    const name = (name: string) => expect.objectContaining({ name });

    it('rejects a registration that excludes its passkey with InvalidStateError', () => {
      const key = newKey();
      const { id } = key.create(setup);
      expect(() => key.create({ ...setup, excludeCredentials: [{ id: other }, { id }] })).toThrow(
        name('InvalidStateError'),
      );
      expect(() => newKey().create({ ...setup, excludeCredentials: [{ id }] })).not.toThrow();
    });

    it('rejects an assertion with other passkeys, or none at all, with NotAllowedError', () => {
      const key = newKey();
      expect(() => key.get(request)).toThrow(name('NotAllowedError'));
      const { id } = key.create(setup);
      expect(() => key.get({ ...request, allowCredentials: [{ id: other }] })).toThrow(name('NotAllowedError'));
      expect(key.get({ ...request, allowCredentials: [{ id: other }, { id }] }).id).toBe(id);
      expect(key.get({ ...request, allowCredentials: [] }).id).toBe(id);
    });

    it('rejects with NotAllowedError where it must verify the user and cannot', async () => {
      const key = newKey({ userVerification: false });
      const options = { ...setup, authenticatorSelection: required };
      expect(() => key.create(options)).toThrow(name('NotAllowedError'));
      const registration = key.create(setup);
      expect(() => key.get({ ...request, ...required })).toThrow(name('NotAllowedError'));
      await expect(register(registration)).rejects.toThrow(/user could not be verified/);
      await expect(register(key.create(options, { userVerified: true }))).resolves.toMatchObject({
        userVerified: true,
      });
    });

    it('rejects an rp id that its origin may not use with SecurityError, and uses its host without one', () => {
      for (const id of ['evil.example', 'me.example', 'www.app.acme.example']) {
        expect(() => newKey().create({ ...setup, rp: { id } })).toThrow(name('SecurityError'));
        expect(() => newKey().get({ ...request, rpId: id })).toThrow(name('SecurityError'));
      }
      const key = newKey();
      const { id } = key.create({ ...setup, rp: {} });
      expect(key.get({ challenge: other, rpId: 'app.acme.example' }).id).toBe(id);
      expect(() => newKey({ origin: 'android:apk-key-hash:kqY' }).create(setup)).not.toThrow();
    });

    it('rejects a registration without its algorithm with NotSupportedError', () => {
      const pubKeyCredParams = [{ alg: -7 }, { alg: -257 }];
      expect(() => newKey({ algorithm: 'EdDSA' }).create({ ...setup, pubKeyCredParams })).toThrow(
        name('NotSupportedError'),
      );
    });
  });

  describe('holds one passkey for each rp id and user', () => {
    it('replaces it with one of a new id and key pair', () => {
      const key = newKey();
      const [first, second] = [key.create(setup), key.create(setup)];
      expect(second.id).not.toBe(first.id);
      expect(second.response.publicKey).not.toBe(first.response.publicKey);
      expect(() => key.get({ ...request, allowCredentials: [{ id: first.id }] })).toThrow();
      expect(key.get(request).id).toBe(second.id);
    });

    it('registers the same id again with its key pair and counter', async () => {
      const key = newKey();
      const { id, response } = key.create(setup);
      const again = key.create(setup, { credentialId: id });
      expect(again).toMatchObject({ id, response: { publicKey: response.publicKey } });
      expect((await register(again)).credential).toMatchObject({ id, counter: 2 });
      expect(await authenticate(key.get(request), again)).toMatchObject({ credentialID: id, newCounter: 3 });
    });

    it('keeps those of other users and rp ids', () => {
      const key = newKey();
      const ada = key.create(setup);
      const ben = key.create({ ...setup, user: { id: other } });
      key.create({ ...setup, rp: { id: 'app.acme.example' } });
      expect(key.get(request).id).toBe(ben.id);
      expect(key.get({ ...request, allowCredentials: [{ id: ada.id }] }).response.userHandle).toBe(setup.user.id);
    });
  });
});
