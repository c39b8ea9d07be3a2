import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

describe.each(testDatabases)('regenerate that was proved before a passkey was active, on %s', (kind) => {
  let host: HostApp;
  beforeEach(async () => {
    host = await startHostApp({ database: kind, options: { ...FEW_CODES, ...PASSKEYS } });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await host.close();
  });

  it('S84 S12 a TOTP code that proved a regeneration before the passkey was active makes no backup codes after it', async () => {
    const owner = new PasskeyClient(host, 'r1');
    const { authenticator } = await owner.enroll();
    const key = newKey();
    const setup = await owner.setupPasskey({ code: authenticator.code() }).expect(200);
    host.clock.advance(30);
    // A stolen session and a phished code.
    const thief = new PasskeyClient(host, 'r1', owner.session);
    const store = host.app.get<MfaVerificationStore>(MfaVerificationStore as never, { strict: false });
    const complete = store.spendAndSettle.bind(store);
    vi.spyOn(store, 'spendAndSettle').mockImplementationOnce(async (completion) => {
      const spent = await complete(completion);
      await owner.confirmPasskey(key.create(setup.body.options)).expect(200);
      return spent;
    });
    const answer = await thief.post('/mfa/backup-codes/regenerate', { code: authenticator.code() });
    // With these codes the thief may now remove the passkey.
    const [stolen] = answer.body.backupCodes ?? [];
    const disabled = await thief.post('/mfa/disable', { code: stolen });
    expect([answer.status, disabled.status]).toEqual([401, 401]);
  });
});
