import { afterAll, beforeAll, describe, it } from 'vitest';
import { Client } from '../support/client.js';
import { ADAPTERS, startHostApp, type HostApp } from '../support/host-app.js';

describe.each(ADAPTERS)('login over %s', (adapter) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ adapter });
  });
  afterAll(() => host.close());

  it('signs in with a code, and the session passes routes that require a second factor', async () => {
    const user = new Client(host, 'alice');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    const login = await user.verify(token, authenticator.code()).expect(200);
    const session = new Client(host, 'alice', login.body.accessToken);
    await session.get('/payouts').expect(200, { payouts: [] });
  });
});
