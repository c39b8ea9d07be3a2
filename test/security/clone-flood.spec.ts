import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

describe('a cloned key', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ options: { ...FEW_CODES, ...PASSKEYS } });
  });
  afterAll(() => host.close());

  it('S83 raises at most 20 single events in an hour', async () => {
    const user = new PasskeyClient(host, 'c1');
    const key = newKey();
    await user.addPasskey(key);
    expect((await user.signInByPasskey(key)).status).toBe(200);
    for (let index = 0; index < 40; index++) expect((await user.signInByPasskey(key, { counter: 1 })).status).toBe(401);
    const count = (type: string) => host.state.events.filter((each) => each.type === type).length;
    expect(count('mfa.verification.failed')).toBeLessThanOrEqual(20);
    expect(count('mfa.passkey.clone_suspected')).toBeLessThanOrEqual(20);
  });
});
