import { MfaDeviceService } from 'nestjs-mfa';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PolicyHost, REQUIRED } from '../support/policy-host.js';
import { type DevicesGuide, startDevicesGuide, writeDevicesGuide } from './devices-guide.js';
import type { Example } from './example.js';

let example: Example;
beforeAll(async () => {
  example = await writeDevicesGuide();
});
afterAll(() => example?.remove());

describe.each(['express', 'fastify'] as const)('the app of the guide about trusted devices, on %s', (adapter) => {
  let guide: DevicesGuide;
  let host: DevicesGuide['host'];

  beforeAll(async () => {
    guide = await startDevicesGuide(example, adapter);
    ({ host } = guide);
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host?.close());

  /** An app with its storage. `open` signs in, and returns the access token. */
  function appOf(user: string) {
    const kept = new Map<string, string>();
    const storage = {
      get: async (key: string) => kept.get(key) ?? null,
      set: async (key: string, value: string) => void kept.set(key, value),
    };
    const shown: string[] = [];
    const open = (code = 'none', remember = false) => {
      const ask = async () => (shown.push('second step'), { code, remember });
      const enroll = async ({ mfa_token }: { mfa_token: string }) => (shown.push('enrollment'), mfa_token);
      return guide.signIn(
        { send: guide.browserOf().send, storage, pages: { ask, enroll } },
        { email: user, password: 'x' },
      );
    };
    return { kept, shown, open };
  }

  it('S113 signs in an app by its token, and asks again where the token is refused', async () => {
    const { authenticator, backupCodes } = await guide.newUser('paul');
    const { kept, shown, open } = appOf('paul');
    expect(await open(authenticator.code(), true)).toContain('paul');
    expect([...kept.keys()]).toEqual(['mfa-device:paul']);
    for (let logins = 0; logins < 2; logins += 1) expect(await open()).toContain('paul');
    expect(shown).toHaveLength(1);
    const devices = host.app.get(MfaDeviceService, { strict: false });
    const [listed] = await devices.list('paul');
    await devices.revoke('paul', listed!.id);
    host.clock.advance(30);
    const [refused] = kept.values();
    await open(authenticator.code(), false);
    expect([shown.length, [...kept.values()]]).toEqual([2, [refused]]);
    // A backup code trusts no device.
    await open(backupCodes[0]!, true);
    expect([shown.length, [...kept.values()]]).toEqual([3, [refused]]);
    host.clock.advance(30);
    await open(authenticator.code(), true);
    expect([...kept.values()]).not.toEqual([refused]);
    await open();
    expect(shown).toEqual(Array(4).fill('second step'));
  });

  it('S113 keeps the token of an app that a policy refuses for now', async () => {
    const { authenticator } = await guide.newUser('nora');
    const { shown, open } = appOf('nora');
    await open(authenticator.code(), true);
    PolicyHost.policyOf = () => ({ id: 'strict', required: true, trustedDevices: false });
    host.clock.advance(30);
    await open(authenticator.code(), true);
    expect(shown).toHaveLength(2);
    PolicyHost.restore();
    await open();
    expect(shown).toHaveLength(2);
  });

  it('leads the user of an app to the enrollment, before and after the second step', async () => {
    guide.users.set('greta', { id: 'greta', email: 'greta', passwordHash: 'hash-1' });
    PolicyHost.policyOf = () => REQUIRED;
    const { shown, open } = appOf('greta');
    expect((await open()).length).toBeGreaterThan(20);
    expect(shown).toEqual(['enrollment']);
    const { authenticator } = await guide.newUser('hugo');
    PolicyHost.policyOf = () => ({ ...REQUIRED, methods: ['passkey'] });
    const other = appOf('hugo');
    expect((await other.open(authenticator.code())).length).toBeGreaterThan(20);
    expect(other.shown).toEqual(['second step', 'enrollment']);
  });
});
