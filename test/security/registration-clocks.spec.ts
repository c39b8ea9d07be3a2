import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

describe.each(testDatabases)(
  'two registrations of one credential id on instances whose clocks differ, on %s',
  (database) => {
    let slow: HostApp;
    let fast: HostApp;
    beforeEach(async () => {
      slow = await startHostApp({ database, options: { ...FEW_CODES, ...PASSKEYS } });
      fast = await startHostApp({ on: slow.database, options: { ...FEW_CODES, ...PASSKEYS } });
      fast.clock.advance(10 * 60);
    });
    afterEach(async () => {
      vi.restoreAllMocks();
      await fast.close();
      await slow.close();
    });

    it('S81 S61 the row of a registration that is about to be committed is not taken away', async () => {
      const [ann, eve] = [new PasskeyClient(slow, 'ann'), new PasskeyClient(fast, 'eve')];
      const key = newKey();
      const anns = await ann.setupPasskey().expect(200);
      const eves = await eve.setupPasskey().expect(200);
      const response = key.create(anns.body.options);
      const hers = newKey();
      const copied = hers.create(eves.body.options, { credentialId: response.id });
      const store = slow.app.get<MfaAccountStore>(MfaAccountStore as never, { strict: false });
      const commit = store.commit.bind(store);
      vi.spyOn(store, 'commit').mockImplementationOnce(async (...change) => {
        await eve.confirmPasskey(copied);
        return commit(...change);
      });
      const confirmed = await ann.confirmPasskey(response);
      const { body } = await ann.get('/mfa/status').expect(200);
      // Either Ann's registration is refused, or she has her passkey.
      expect([confirmed.status, body.authenticators.length]).toEqual(confirmed.status === 200 ? [200, 1] : [401, 0]);
    });
  },
);
