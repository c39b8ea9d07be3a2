import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

describe('a registration whose commit is not answered', () => {
  let host: HostApp;
  beforeEach(async () => {
    host = await startHostApp({ options: { ...FEW_CODES, ...PASSKEYS } });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await host.close();
  });

  it('S79 keeps the row of a passkey that the account may name', async () => {
    const user = new PasskeyClient(host, 'u1');
    const { authenticator } = await user.enroll();
    const setup = await user.setupPasskey({ code: authenticator.code() }).expect(200);
    const key = newKey();
    const store = host.app.get<MfaAccountStore>(MfaAccountStore as never, { strict: false });
    const commit = store.commit.bind(store);
    const away = () => new MfaError('MFA_BUSY', { retryAfterSeconds: 1 });
    // The statement took effect, and then the account table answered nothing for seven seconds (a lost connection, an ALTER TABLE).
    vi.spyOn(store, 'commit').mockImplementation(async (userId, rowVersion, change) => {
      if (change.activeFactors) await commit(userId, rowVersion, change);
      throw away();
    });
    const answer = await user.confirmPasskey(key.create(setup.body.options));
    vi.restoreAllMocks();
    expect(answer.status).toBe(503);
    const { body } = await user.get('/mfa/status').expect(200);
    expect(body.methods).toContain('passkey');
    expect(body.authenticators.map(({ type }: { type: string }) => type)).toContain('passkey');
    expect((await user.signInByPasskey(key)).status).toBe(200);
  });
});
