import { type ExecutionContext, Injectable } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { MfaDeviceEntity, type MfaLogin } from 'nestjs-mfa';
import { createDatabase, testDatabases } from '../support/databases.js';
import { deviceEvents, DeviceClient, DEVICES } from '../support/device-client.js';
import { ADAPTERS, startHostApp, TestHost } from '../support/host-app.js';

const DAY_MS = 86_400_000;

/** A host that sends the response of a login itself. */
@Injectable()
class SendingHost extends TestHost {
  override async completeLogin(login: MfaLogin, context: ExecutionContext) {
    const response = super.completeLogin(login, context);
    context.switchToHttp().getResponse<{ send(body: unknown): void }>().send(response);
    return response;
  }
}

describe.each(ADAPTERS)('the cookie of a trusted browser over %s', (adapter) => {
  it('S113 is not set where the host has sent the response, so the browser is not trusted', async () => {
    const host = await startHostApp({ adapter, host: SendingHost, options: DEVICES });
    const user = new DeviceClient(host, 'ann');
    const { authenticator } = await user.enroll();
    const response = await user.trust(authenticator.code());
    expect(response.status).toBe(200);
    expect(response.headers['set-cookie']).toBeUndefined();
    expect(await host.dataSource.getRepository(MfaDeviceEntity).find()).toEqual([]);
    expect(deviceEvents(user)).toEqual([]);
    await host.close();
  });
});

describe.each(testDatabases)('the cookie of a trusted browser on %s', (database) => {
  it('S112 that one tab received stays when another tab signs in with the one before it', async () => {
    const host = await startHostApp({ database, options: DEVICES });
    const user = new DeviceClient(host, 'ann');
    const { authenticator } = await user.enroll();
    expect((await user.trust(authenticator.code())).status).toBe(200);
    host.clock.advance(30);
    // The password changed, so the browser is asked and trusted again.
    host.state.passwordVersions.set('ann', 'v2');
    const { mfa_token } = (await user.logIn()).body as { mfa_token: string };
    const before = user.browser.copy();
    const proof = { mfa_token, code: authenticator.code(), rememberDevice: true };
    expect((await user.secondStep(proof)).status).toBe(200);
    const tab = new DeviceClient(host, 'ann', before);
    expect((await tab.logIn()).body.mfaRequired).toBe(true);
    user.browser.keep({ headers: { 'set-cookie': tab.browser.received } });
    expect(await user.isTrusted()).toBe(true);
    await host.close();
  });

  it('S111 ends after the present lifetimeDays, also where they were more when the browser was trusted', async () => {
    const on = await createDatabase(database);
    const started = (lifetimeDays: number) =>
      startHostApp({ database, on, options: { ...DEVICES, trustedDevices: { lifetimeDays } } });
    const before = await started(365);
    const user = new DeviceClient(before, 'ann');
    const { authenticator } = await user.enroll();
    expect((await user.trust(authenticator.code())).status).toBe(200);
    const trustedAtMs = before.clock.nowMs();
    await before.close();

    const after = await started(30);
    const later = new DeviceClient(after, 'ann', user.browser);
    later.session = user.session;
    after.clock.set(trustedAtMs + 30 * DAY_MS - 1000);
    expect(await later.isTrusted()).toBe(true);
    const { devices } = (await later.get('/mfa/devices').expect(200)).body as { devices: { expiresAt: string }[] };
    expect(devices.map(({ expiresAt }) => Date.parse(expiresAt))).toEqual([trustedAtMs + 30 * DAY_MS]);
    after.clock.set(trustedAtMs + 30 * DAY_MS);
    expect(await later.isTrusted()).toBe(false);
    await after.close();
    await on.drop();
  });
});
