import { BY_TEST, RESET } from '../support/reset.js';
import { Injectable, type ExecutionContext } from '@nestjs/common';
import { afterEach, describe, expect, it } from 'vitest';
import { MfaAdminService, type MfaChange, type MfaStepUp } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

const calls: string[] = [];

/** As a host with signed tokens: every change makes a new session. */
@Injectable()
class RenewingHost extends TestHost {
  override revokeSessions(change: MfaChange, context: ExecutionContext | undefined): unknown {
    super.revokeSessions(change, context);
    calls.push(`revokeSessions ${change.type} ${change.enabled} ${context ? 'with' : 'without'} context`);
    return { renewedAfter: change.type };
  }

  override completeStepUp(stepUp: MfaStepUp, context: ExecutionContext): unknown {
    super.completeStepUp(stepUp, context);
    calls.push('completeStepUp');
    return { raised: true };
  }
}

let host: HostApp;
afterEach(() => host.close());

describe.each(ADAPTERS)('S72 the session after a change of factors, over %s', (adapter) => {
  it('is what revokeSessions returned, and after a confirmation what completeStepUp returned', async () => {
    host = await startHostApp({ adapter, host: RenewingHost, options: FEW_CODES });
    const user = new Client(host, 'renewed');
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    calls.length = 0;
    const confirmed = await user.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
    expect(confirmed.body.session).toEqual({ raised: true });
    expect(calls).toEqual(['revokeSessions mfa.authenticator.confirmed true with context', 'completeStepUp']);
    host.clock.advance(90);

    const other = await user.enrollAnother(phone.code());
    host.clock.advance(90);
    calls.length = 0;
    const removed = await user.post(`/mfa/authenticators/${other.id}/remove`, { code: phone.code() }).expect(200);
    expect(removed.body).toMatchObject({ enabled: true, session: { renewedAfter: 'mfa.authenticator.removed' } });
    host.clock.advance(90);
    const fresh = await user.post('/mfa/backup-codes/regenerate', { code: phone.code() }).expect(200);
    expect(fresh.body.session).toEqual({ renewedAfter: 'mfa.backup_codes.regenerated' });
    host.clock.advance(90);
    const disabled = await user.post('/mfa/disable', { code: phone.code() }).expect(200);
    expect(disabled.body).toEqual({ enabled: false, session: { renewedAfter: 'mfa.disabled' } });
    expect(calls).toEqual([
      'revokeSessions mfa.authenticator.removed true with context',
      'revokeSessions mfa.backup_codes.regenerated true with context',
      'revokeSessions mfa.disabled false with context',
    ]);
  });

  it('has no second factor once MFA is off, whether by disabling, removal of the last authenticator, reset or purge', async () => {
    host = await startHostApp({ adapter, options: FEW_CODES });
    const admin = host.app.get(MfaAdminService, { strict: false });
    const ways: [string, (user: Client, id: string, code: string) => PromiseLike<unknown>][] = [
      ['disable', (user, _, code) => user.post('/mfa/disable', { code }).expect(200)],
      ['remove', (user, id, code) => user.post(`/mfa/authenticators/${id}/remove`, { code }).expect(200)],
      ['reset', (user) => admin.reset(user.userId, RESET)],
      ['purge', (user) => admin.purgeUser(user.userId, BY_TEST)],
    ];
    for (const [userId, switchOff] of ways) {
      const user = new Client(host, userId);
      const { authenticator, id } = await user.enroll();
      await user.get('/payouts').expect(200);
      await switchOff(user, id, authenticator.code());
      for (const path of ['/payouts', '/transfers']) {
        expect([userId, path, [401, 403].includes((await user.get(path)).status)]).toEqual([userId, path, true]);
      }
    }
  });

  it('is not replaced by a change of an administrator', async () => {
    host = await startHostApp({ adapter, host: RenewingHost, options: FEW_CODES });
    const user = new Client(host, 'administered');
    await user.enroll();
    calls.length = 0;
    await expect(host.app.get(MfaAdminService, { strict: false }).reset(user.userId, RESET)).resolves.toBeUndefined();
    expect(calls).toEqual(['revokeSessions mfa.reset false without context']);
  });
});
