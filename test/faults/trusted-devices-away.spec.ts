import { describe, expect, it, vi } from 'vitest';
import { createDatabase, testServers } from '../support/databases.js';
import { DeviceClient, deviceEvents, DEVICES, trustedUser } from '../support/device-client.js';
import { startHostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

describe.each(testServers)('trusted devices where the %s is away', (kind) => {
  it('S79 is 503 for every request, and the cookie of before works afterwards', async () => {
    const database = await createDatabase(kind);
    const proxy = await startTcpProxy(kind === 'postgres' ? 5432 : 3306);
    const options = DEVICES;
    const host = await startHostApp({
      on: database,
      dataSource: { port: proxy.port },
      options,
      override: withQuickHasher,
    });
    try {
      const { user, authenticator } = await trustedUser(host, 'ada');
      const [{ id } = { id: '' }] = (await user.ask('get', '/mfa/devices')).body.devices as { id: string }[];
      const elsewhere = new DeviceClient(host, 'ada');
      const { mfa_token } = (await elsewhere.logIn()).body as { mfa_token: string };
      const proof = { mfa_token, code: authenticator.code(), rememberDevice: true };
      await proxy.stop();
      const away = [
        await user.logIn(),
        await user.ask('get', '/mfa/devices'),
        await user.ask('post', `/mfa/devices/${id}/revoke`),
        await elsewhere.secondStep(proof),
      ];
      expect(away.map(({ status, body }) => [status, body.code])).toEqual(away.map(() => [503, 'MFA_BUSY']));
      await proxy.start();
      await vi.waitFor(async () => expect((await user.logIn()).body).toHaveProperty('accessToken'), 10_000);
      expect((await elsewhere.secondStep(proof)).status).toBe(200);
      expect(await elsewhere.isTrusted()).toBe(true);
      expect(deviceEvents(user)).not.toContain('mfa.device.reused');
    } finally {
      await host.close();
      await proxy.stop();
      await database.drop();
    }
  });
});
