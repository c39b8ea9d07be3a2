import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

class FailingHost extends TestHost {
  override revokeSessions(): never {
    throw new Error('the session store is away');
  }
  override completeStepUp(): never {
    throw new Error('the session store is away');
  }
  override notify(): Promise<never> {
    return Promise.reject(new Error('the mail server is away'));
  }
}

describe('a host whose hooks fail', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ host: FailingHost });
  });
  afterAll(() => host.close());

  it('S39 S60 still shows the backup codes of a confirmation and of a regeneration', async () => {
    const user = new Client(host, 'unlucky');
    const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const device = new VirtualAuthenticator(body.otpauthUri, host.clock);
    const confirmed = await user.post('/mfa/totp/confirm', { code: device.code() }).expect(200);
    expect(confirmed.body.backupCodes).toHaveLength(10);
    expect(confirmed.body).not.toHaveProperty('session');
    host.clock.advance(30);
    const regenerated = await user.post('/mfa/backup-codes/regenerate', { code: device.code() }).expect(200);
    expect(regenerated.body.backupCodes).toHaveLength(10);
    await user.verify(await user.login(), regenerated.body.backupCodes[0]).expect(200);
  });
});
