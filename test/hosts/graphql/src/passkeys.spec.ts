import { VirtualPasskey } from 'nestjs-mfa/testing';
import { start } from './browser.js';
import type { LifeCycleApp } from './life-cycle.flow.js';

describe('passkeys over GraphQL', () => {
  let host: LifeCycleApp;
  beforeAll(async () => {
    host = await start();
  });
  afterAll(() => host?.app.close());

  async function send(query: string, variables: object, token?: string): Promise<any> {
    const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
    const body = JSON.stringify({ query, variables });
    const response = await fetch(`${host.url}/graphql`, { method: 'POST', headers, body });
    const { data, errors } = (await response.json()) as any;
    return errors ? errors[0].extensions : Object.values(data)[0];
  }
  const login = (email: string, password: string) =>
    send('mutation ($e: String!, $p: String!) { login(email: $e, password: $p) { token mfa_token methods } }', {
      e: email,
      p: password,
    });

  it('registers a passkey, signs in with it once, and refuses the same response again', async () => {
    const [email, password] = ['ada@acme.example', 'correct horse'];
    await send('mutation ($e: String!, $p: String!) { register(email: $e, password: $p) }', { e: email, p: password });
    const { token } = await login(email, password);
    const setup = 'mutation ($p: String!) { setupPasskey(password: $p) { options } }';
    const key = new VirtualPasskey({ origin: 'http://localhost:3000' });
    const passkey = key.create((await send(setup, { p: password }, token)).options);
    const confirm = 'mutation ($k: JSON!) { confirmPasskey(passkey: $k) { enabled backupCodes } }';
    const confirmed = await send(confirm, { k: passkey }, token);
    expect(confirmed).toEqual({ enabled: true, backupCodes: expect.any(Array) });
    expect(await send('{ payouts }', {}, token)).toEqual(expect.any(Array));

    const { mfa_token, methods } = await login(email, password);
    expect(methods).toEqual(['passkey', 'backup_code']);
    const { options } = await send('mutation ($t: String!) { passkeyOptions(mfaToken: $t) { options } }', {
      t: mfa_token,
    });
    const verify = 'mutation ($t: String!, $k: JSON!) { verifyPasskey(mfaToken: $t, passkey: $k) { token } }';
    const response = { t: mfa_token, k: key.get(options) };
    const session = await send(verify, response);
    expect(await send('{ payouts }', {}, session.token)).toEqual(expect.any(Array));
    expect((await send(verify, response)).code).toMatch(/MFA_CODE_REJECTED|MFA_TOKEN_INVALID/);
    expect((await send(verify, { t: mfa_token, k: 7 })).code).toMatch(/MFA_BAD_REQUEST/);
  });
});
