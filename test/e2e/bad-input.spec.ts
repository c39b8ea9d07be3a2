import type { ExecutionContext } from '@nestjs/common';
import request from 'supertest';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import {
  ADAPTERS,
  dumpTables,
  FEW_CODES,
  PASSWORD,
  startHostApp,
  TestHost,
  type HostApp,
} from '../support/host-app.js';

const HUGE = 'x'.repeat(1_000_000);

/** What no field of ours is; `null` counts as left out. */
const WRONG_TYPES: [string, unknown][] = [
  ['a number', 123456],
  ['null', null],
  ['a boolean', true],
  ['an array', ['123456']],
  ['an array of arrays', [['123456']]],
  ['an object', { length: 6, toString: '123456' }],
  ['an operator', { $ne: '' }],
  ['an empty string', ''],
  ['a long string', '1'.repeat(65)],
  ['a huge string', HUGE],
  ['NUL', '123\u0000456'],
];

/** Routes whose code cannot be left out. */
const REQUIRED = new Set(['verify', 'step-up', 'totp/confirm']);

/** Strings, though none that anybody could mean. */
const ODD_CODES = [
  "' OR 1=1 --",
  '../../etc/passwd',
  '%00',
  '\ud800',
  '😀😀😀',
  '-',
  '\u200b\u200b',
  '<script>',
  '0'.repeat(64),
];

describe.each(ADAPTERS)('S67 bad input over %s', (adapter) => {
  let host: HostApp;
  let user: Client;
  let id: string;
  let token: string;
  let authenticator: VirtualAuthenticator;
  let before: object;

  beforeAll(async () => {
    host = await startHostApp({ adapter, options: FEW_CODES });
    user = new Client(host, 'victim');
    ({ authenticator, id } = await user.enroll());
    await user.post('/mfa/totp/setup', { code: authenticator.code() }).expect(200);
    token = await user.login();
  });
  beforeEach(async () => {
    before = await dumpTables(host);
  });
  afterAll(() => host.close());

  /** The status and code of an answer that is neither a success nor our fault, and that changed nothing. */
  async function expectRefused(
    sending: PromiseLike<request.Response>,
    statuses: number[],
    code?: string,
  ): Promise<void> {
    const { status, body, text } = await sending;
    if (!statuses.includes(status)) expect.fail(`${status} ${text}`);
    if (code) expect(body.code).toBe(code);
    expect(await dumpTables(host)).toEqual(before);
  }

  /** Every route that takes a body, as its owner would call it. */
  const routes = () =>
    [
      ['verify', 'post', 'code'],
      ['step-up', 'post', 'code'],
      ['disable', 'post', 'code'],
      ['backup-codes/regenerate', 'post', 'code'],
      ['totp/setup', 'post', 'code'],
      ['totp/setup', 'post', 'name'],
      ['totp/setup', 'post', 'password'],
      ['totp/confirm', 'post', 'code'],
      [`authenticators/${id}`, 'patch', 'name'],
      [`authenticators/${id}/remove`, 'post', 'code'],
    ] as const;

  const send = (path: string, method: 'post' | 'patch') =>
    request(host.app.getHttpServer())
      [method](`/mfa/${path}`)
      .set({ Authorization: `Bearer ${path === 'verify' ? token : user.session}` });

  it.each(WRONG_TYPES)(
    '%s in any field returns 400 or, if huge, 413; a password may be any text, and null counts as left out',
    async (_, value) => {
      for (const [path, method, field] of routes()) {
        const isPassword = field === 'password' && typeof value === 'string' && value !== HUGE;
        const isLeftOut = value === null && method === 'post' && !REQUIRED.has(path);
        const statuses = isPassword || isLeftOut ? [401, 404] : value === HUGE ? [400, 413] : [400];
        await expectRefused(send(path, method).send({ [field]: value }), statuses);
      }
    },
  );

  it('an mfa_token that is not a string or is too long returns 400, and any other text 401', async () => {
    for (const [, mfa_token] of WRONG_TYPES.filter(([, value]) => value !== null)) {
      const sending = send('verify', 'post').send({ mfa_token, code: '123456' });
      if (typeof mfa_token === 'string' && mfa_token !== HUGE) {
        await expectRefused(sending, [401], 'MFA_TOKEN_INVALID');
      } else await expectRefused(sending, [400, 413]);
    }
  });

  it.each(['text', '[]', '[{"code":"123456"}]', '42', 'null', 'true', '"123456"', '{}', ''])(
    'the body %s returns 4xx',
    async (body) => {
      for (const [path, method] of routes()) {
        await expectRefused(send(path, method).set('Content-Type', 'application/json').send(body), [400, 401]);
      }
    },
  );

  it.each(['{', '{"code":', '{"code":"1}', "{'code':'1'}", '\u0000', '{"code":"123456"}}'])(
    'the malformed JSON %j returns 400',
    async (body) => {
      for (const [path, method] of routes()) {
        await expectRefused(send(path, method).set('Content-Type', 'application/json').send(body), [400]);
      }
    },
  );

  it.each([
    ['application/x-www-form-urlencoded', 'code=123456&password=x&name=x'],
    ['text/plain', '{"code":"123456"}'],
    [
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="code"\r\n\r\n123456\r\n--x--\r\n',
    ],
    ['application/xml', '<code>123456</code>'],
    ['application/jsonp', '{"code":"123456"}'],
    ['application/json-seq', '{"code":"123456"}'],
    ['text/json', '{"code":"123456"}'],
  ])('S44b a body of type %s returns 415', async (type, body) => {
    for (const [path, method] of routes()) {
      await expectRefused(send(path, method).set('Content-Type', type).send(body), [415]);
    }
  });

  it('S44b a body without a type returns 415, and JSON with a charset is accepted', async () => {
    const { port } = host.app.getHttpServer().address() as { port: number };
    const untyped = await fetch(`http://127.0.0.1:${port}/mfa/disable`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${user.session}` },
      body: new Blob(['{"code":"123456"}']),
    });
    expect(untyped.status).toBe(415);
    const typed = send('disable', 'post').set('Content-Type', 'Application/JSON; charset=utf-8').send('{"code":7}');
    await expectRefused(typed, [400], 'MFA_BAD_REQUEST');
  });

  it('a request without a body is refused for the missing fields', async () => {
    for (const [path, method, field] of routes()) {
      const codeIsOptional = field === 'code' && !['verify', 'step-up', 'totp/confirm'].includes(path);
      const missing = codeIsOptional || path === 'totp/setup' ? [401] : [400];
      await expectRefused(send(path, method), missing);
    }
  });

  it.each(ODD_CODES)('the code %j returns 401, and counts no attempt', async (code) => {
    for (const [path, method, field] of routes()) {
      if (field === 'code') await expectRefused(send(path, method).send({ code }), [401], 'MFA_CODE_REJECTED');
    }
  });

  it.each(['', '   ', 'a\nb', 'a\u0000b', '\ud800', 'x'.repeat(65), '\u007f'])(
    'the name %j returns 400',
    async (name) => {
      await expectRefused(send(`authenticators/${id}`, 'patch').send({ name }), [400], 'MFA_BAD_REQUEST');
    },
  );

  it.each([
    'unknown',
    '00000000-0000-4000-8000-000000000000',
    '..%2F..%2Fstatus',
    '%00',
    "'%20OR%201=1--",
    '%F0%9F%98%80',
    'x'.repeat(2000),
    '%E0%A4%A',
    ',',
  ])('the authenticator id %s returns the error of an unknown one', async (unknown) => {
    const path = `authenticators/${unknown}`;
    await expectRefused(send(path, 'patch').send({ name: 'X' }), [400, 404, 414]);
    await expectRefused(send(`${path}/remove`, 'post').send({ code: '123456' }), [400, 404, 414]);
  });

  it('prototype keys are not read as fields', async () => {
    const bodies = ['{"__proto__":{"code":"123456"}}', '{"constructor":{"prototype":{"code":"1"}},"code":{}}'];
    for (const body of bodies) {
      await expectRefused(send('step-up', 'post').set('Content-Type', 'application/json').send(body), [400]);
    }
    expect({}).not.toHaveProperty('code');
  });

  it('deep and wide JSON is refused like any other bad body', async () => {
    const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;
    await expectRefused(
      send('step-up', 'post').set('Content-Type', 'application/json').send(`{"code":${deep}}`),
      [400],
    );
    const wide = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`field${i}`, i]));
    await expectRefused(send('step-up', 'post').send(wide), [400], 'MFA_BAD_REQUEST');
  });

  it('headers of any shape neither cause an error 5xx nor admit anybody', async () => {
    const anonymous = () => request(host.app.getHttpServer()).post('/mfa/verify');
    const oddities: Record<string, string>[] = [
      { Authorization: 'Bearer' },
      { Authorization: `Bearer ${'x'.repeat(5000)}` },
      { Authorization: 'Basic YTpi' },
      { 'x-mfa-token': 'x'.repeat(5000) },
      { Cookie: 'mfa_token' },
      { Cookie: 'mfa_token=; mfa_token=a.b.c' },
      { Cookie: `mfa_token=${'%'.repeat(100)}` },
      { Cookie: ';;;=;' },
    ];
    for (const headers of oddities) {
      await expectRefused(anonymous().set(headers).send({ code: '123456' }), [400, 401]);
    }
  });

  it('the account works after all of these requests', async () => {
    const fresh = new Client(host, 'victim');
    await fresh.verify(token, '000000').expect(401, /MFA_CODE_REJECTED/);
    expect((await fresh.get('/mfa/status')).body).toMatchObject({ enabled: true, pendingSetup: true });
    await fresh.verify(token, authenticator.code(1)).expect(200);
  });
});

describe('S20 account names', () => {
  const nameOf = (accountName: unknown) => {
    class NamedHost extends TestHost {
      override principal(context: ExecutionContext) {
        const principal = super.principal(context);
        return principal && { ...principal, accountName: accountName as string };
      }
    }
    return startHostApp({ host: NamedHost, options: FEW_CODES });
  };

  it.each([
    ['a?secret=EVIL&issuer=Evil&digits=8', 'a?secret=EVIL&issuer=Evil&digits=8'],
    ['a#fragment/../path', 'a#fragment/../path'],
    ['Evil Corp:me@example.test', 'Evil Corp-me@example.test'],
    ['100% <b>Zoë</b> 😀', '100% <b>Zoë</b> 😀'],
  ])('%j is accepted and kept in the URI', async (accountName, label) => {
    const host = await nameOf(accountName);
    const { body } = await new Client(host, 'named').post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const uri = new URL(body.otpauthUri);
    expect([...uri.searchParams.keys()].toSorted()).toEqual(['algorithm', 'digits', 'issuer', 'period', 'secret']);
    expect(uri.searchParams.get('secret')).toBe(body.secret);
    expect(uri.searchParams.get('issuer')).toBe('Acme');
    expect(uri.hash).toBe('');
    expect(decodeURIComponent(uri.pathname.split('/').at(-1)!)).toBe(`Acme:${label}`);
    await host.close();
  });

  it.each(['', '   ', 'x'.repeat(2000), 'line\nbreak', '\ud800', 42, null, { a: 1 }])(
    '%j returns 400, and nothing is set up',
    async (accountName) => {
      const host = await nameOf(accountName);
      const user = new Client(host, 'named');
      await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(400, /MFA_BAD_REQUEST/);
      expect((await user.get('/mfa/status')).body.pendingSetup).toBe(false);
      await host.close();
    },
  );
});
