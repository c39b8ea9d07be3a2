import { connect } from 'node:net';
import request from 'supertest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

/** Sends one raw request and returns the status. */
function statusOf(host: HostApp, ...lines: string[]): Promise<number> {
  const { port } = host.app.getHttpServer().address() as { port: number };
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => (received += chunk));
    socket.on('close', () => resolve(Number(received.split(' ')[1])));
    socket.on('error', reject);
    socket.setTimeout(5_000, () => socket.destroy());
    socket.write(lines.join('\r\n'));
  });
}

describe.each(ADAPTERS)('requests that a browser sends without a preflight, over %s', (adapter) => {
  let host: HostApp;
  let user: Client;
  beforeAll(async () => {
    host = await startHostApp({ adapter, options: { ...FEW_CODES, enrollment: { proof: 'session-only' } } });
    user = new Client(host, 'browsing');
  });
  afterAll(() => host.close());

  const COOKIE = 'Cookie: theme=dark';
  const send = (method: string, path: string, ...headers: string[]) =>
    statusOf(
      host,
      `${method} ${path} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${user.session}`,
      'Content-Length: 0',
      'Connection: close',
      ...headers,
      '',
      '',
    );

  it.each([
    ['another site', ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors']],
    ['another site with a cookie', ['Sec-Fetch-Site: cross-site', COOKIE]],
    ['a sibling subdomain', ['Sec-Fetch-Site: same-site', COOKIE]],
    ['a browser that names no site', [COOKIE]],
    ['a site that cannot be read', ['Sec-Fetch-Site: same-origin, cross-site']],
    ['a site that is empty', ['Sec-Fetch-Site: ', COOKIE]],
  ])('S44b refuses a POST and a PATCH without body and content type from %s', async (_, headers) => {
    for (const path of ['totp/setup', 'disable', 'backup-codes/regenerate', 'step-up', 'verify']) {
      expect(await send('POST', `/mfa/${path}`, ...headers)).toBe(415);
    }
    expect(await send('PATCH', '/mfa/authenticators/x', ...headers)).toBe(415);
    expect((await user.get('/mfa/status')).body.pendingSetup).toBe(false);
  });

  it.each([
    ['the same origin', ['Sec-Fetch-Site: same-origin', COOKIE]],
    ['the user’s own action', ['Sec-Fetch-Site: none', COOKIE]],
    ['a client that is not a browser', []],
  ])('S44b lets a POST without body and content type pass from %s', async (_, headers) => {
    expect(await send('POST', '/mfa/totp/setup', ...headers)).toBe(200);
    expect(await send('PATCH', '/mfa/authenticators/x', ...headers)).toBe(400);
    for (const method of ['GET', 'HEAD']) {
      expect(await send(method, '/mfa/status', 'Sec-Fetch-Site: cross-site', COOKIE)).toBe(200);
    }
  });

  it.each(['POST /mfa/totp/setup', 'PATCH /mfa/authenticators/x', 'GET /mfa/status'])(
    'S44b refuses %s with a body that has no content type, or with another content type and no body, from every client',
    async (line) => {
      const start = [`${line} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${user.session}`, 'Connection: close'];
      for (const origin of [[], ['Sec-Fetch-Site: same-origin', COOKIE], ['Sec-Fetch-Site: none']]) {
        const statuses = [
          await statusOf(host, ...start, ...origin, 'Content-Length: 2', '', '{}'),
          await statusOf(host, ...start, ...origin, 'Transfer-Encoding: chunked', '', '2', '{}', '0', '', ''),
          await statusOf(host, ...start, ...origin, 'Content-Type: text/plain', 'Content-Length: 0', '', ''),
        ];
        expect(statuses).toEqual([415, 415, 415]);
      }
    },
  );
});

describe.each(ADAPTERS)('several cookies and several places of a token, over %s', (adapter) => {
  let host: HostApp;
  let authenticator: VirtualAuthenticator;
  let user: Client;
  beforeAll(async () => {
    host = await startHostApp({ adapter, options: FEW_CODES });
    user = new Client(host, 'tossed');
    ({ authenticator } = await user.enroll());
  });
  afterAll(() => host.close());

  const verify = (headers: Record<string, string>, body: object | string) =>
    request(user.server).post('/mfa/verify').set('Content-Type', 'application/json').set(headers).send(body);

  it('S73 verifies with the user’s own cookie behind one that a sibling subdomain tossed', async () => {
    host.clock.advance(30);
    const own = await user.login();
    const cookie = `mfa_token=rubbish; mfa_token=; mfa_token=${own}`;
    const answer = await verify({ Cookie: cookie }, { code: authenticator.code() }).expect(200);
    expect(answer.headers['set-cookie']![0]).toMatch(/^mfa_token=; Max-Age=0; /);
  });

  it('S43 a second cookie brings back no token that is spent', async () => {
    host.clock.advance(30);
    const spent = await user.login();
    await user.verify(spent, authenticator.code()).expect(200);
    host.clock.advance(30);
    const cookie = `mfa_token=rubbish; mfa_token=${spent}`;
    await verify({ Cookie: cookie }, { code: authenticator.code() }).expect(401, /MFA_TOKEN_INVALID/);
  });

  it('S42 a token in the body decides before one in a header, and never opens another user’s account', async () => {
    const other = new Client(host, 'other');
    await other.enroll();
    host.clock.advance(30);
    const [own, theirs] = [await user.login(), await other.login()];
    const code = authenticator.code();
    await verify({ 'x-mfa-token': own }, { mfa_token: theirs, code }).expect(401, /MFA_CODE_REJECTED/);
    // Node joins a repeated header by a comma, which makes it no token.
    await verify({ 'x-mfa-token': `${own}, ${theirs}` }, { code }).expect(401, /MFA_TOKEN_INVALID/);
    const twice = `{"mfa_token":"${own}","mfa_token":"${theirs}","code":"${code}"}`;
    await verify({}, twice).expect(401, /MFA_CODE_REJECTED/);
  });

  it('S67 takes a token from the next place where the field of the body is null', async () => {
    host.clock.advance(30);
    const own = await user.login();
    await verify({ 'x-mfa-token': own }, { mfa_token: null, code: authenticator.code() }).expect(200);
  });

  it('S67 S44b odd types, deep and prototype keys, method overrides and paths are 4xx', async () => {
    const token = await user.login();
    const own = { 'x-mfa-token': token };
    const body = JSON.stringify({ mfa_token: token, code: '000000' });
    const deep = `{"code":${'['.repeat(45_000)}${']'.repeat(45_000)}}`;
    const prototypes = '{"__proto__":{"code":"1"},"constructor":{"prototype":{"code":"1"}}}';
    const statuses: Record<string, number> = {
      charset: (await verify({ 'Content-Type': 'application/json; charset=utf-7' }, body)).status,
      parameter: (await verify({ 'Content-Type': 'application/json;foo' }, body)).status,
      deep: (await verify(own, deep)).status,
      prototypes: (await verify(own, prototypes)).status,
      override: (await verify({ 'X-HTTP-Method-Override': 'GET' }, body)).status,
    };
    const paths = ['/MFA/verify', '/mfa/verify/', '/mfa//verify', '/mfa/%76erify', '/mfa/verify;x=1', '/mfa%2fverify'];
    for (const path of paths) statuses[path] = (await request(user.server).post(path).send({ code: '0' })).status;
    for (const path of ['/payouts/', '/PAYOUTS', '/payouts%2f', '/payouts;x', '/payouts/%2e%2e/payouts']) {
      statuses[path] = (await request(user.server).get(path)).status;
    }
    statuses.head = (await request(user.server).head('/payouts')).status;
    expect(Object.entries(statuses).filter(([, status]) => status < 400 || status >= 500)).toEqual([]);
  });

  it('S24 the first message about a code that is a number is "must be a string", and null counts as left out', async () => {
    const first = async (body: object) => (await user.post('/mfa/step-up', body).expect(400)).body.message as string[];
    expect(await first({ code: 123456 })).toEqual(['code must be a string']);
    expect(await first({ code: null })).toEqual(await first({}));
    const fresh = new Client(host, 'nulls');
    await fresh.post('/mfa/totp/setup', { password: PASSWORD, name: null, code: null }).expect(200);
    await fresh.post('/mfa/totp/setup', { password: null }).expect(401, /MFA_PROOF_REQUIRED/);
  });
});
