import { afterAll, beforeAll, expect, it } from 'vitest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { describeServers } from '../support/servers.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

/** No mocks: some transaction holds the row of the pending authenticator for longer than `timeouts.statementSeconds`. */
describeServers('a confirmation whose authenticator row is locked on', (kind) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: { ...FEW_CODES, timeouts: { statementSeconds: 1 } } });
  });
  afterAll(() => host.close());

  it('S39 S60 S65 shows the backup codes, emits the event and calls revokeSessions', async () => {
    const owner = new Client(host, 'owner');
    const setup = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    const runner = host.dataSource.createQueryRunner();
    await runner.connect();
    await runner.startTransaction();
    await runner.query(`SELECT id FROM mfa_authenticator WHERE user_id = 'owner' FOR UPDATE`);
    const answer = await owner.post('/mfa/totp/confirm', { code: phone.code() });
    await runner.rollbackTransaction();
    await runner.release();
    host.clock.advance(30);
    const again = await owner.post('/mfa/totp/confirm', { code: phone.code() });
    const login = await owner.loginAnswer();
    expect(login.body.mfaRequired, 'second step').toBe(true);
    expect(
      host.state.events.some(({ type }) => type === 'mfa.authenticator.confirmed'),
      'event',
    ).toBe(true);
    expect(host.state.revocations, 'revokeSessions').toContain('mfa.authenticator.confirmed owner');
    expect(answer.body.backupCodes ?? again.body.backupCodes, 'backup codes').toBeDefined();
  });
});
