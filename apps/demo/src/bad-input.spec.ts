import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { FixedClock, VirtualAuthenticator } from 'nestjs-mfa/testing';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './config.js';
import { createDemoApp } from './create-app.js';

const PASSWORD = 'correct horse battery';
const NUL = '\u0000';

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const nestedObjects = (depth: number) => '{"a":'.repeat(depth) + '1' + '}'.repeat(depth);
const inEveryField = (value: string) =>
  `{"email":${value},"password":${value},"to":${value},"amount":${value},"code":${value},"name":${value},"mfa_token":${value},"passkey":${value},"purpose":${value},"method":${value},"role":${value},"rememberDevice":${value}}`;

/** Values of every kind that JSON knows, put into every field, plus bodies that are wrong as a whole. */
const BODIES: Record<string, string> = {
  'lists of 5,000 levels in every field': inEveryField(nested(5_000)),
  'objects of 2,000 levels in every field': inEveryField(nestedObjects(2_000)),
  'a list of 45,000 levels in an unknown field': `{"x":${nested(45_000)}}`,
  'a body of 5,000 levels': nestedObjects(5_000),
  'a list of 5,000 levels': nested(5_000),
  'a huge number': inEveryField('1e999'),
  'a long number': inEveryField('9'.repeat(2_000)),
  'a negative number': inEveryField('-1e308'),
  'a boolean': inEveryField('true'),
  'an empty text': inEveryField('""'),
  null: inEveryField('null'),
  NUL: inEveryField(JSON.stringify(`a${NUL}@example.com`)),
  'a lone surrogate': inEveryField('"\\ud800@example.com"'),
  'a text of 10,000 characters': inEveryField(JSON.stringify('a'.repeat(10_000))),
  'a format string': inEveryField('"%s%n${7*7}{{7*7}}\'; DROP TABLE users; --@example.com"'),
  prototypes: '{"__proto__":{"email":"a@example.com"},"constructor":{"prototype":{}},"toString":1,"hasOwnProperty":1}',
  'methods as fields': inEveryField('{"toString":1,"valueOf":1,"length":-1,"then":1}'),
  'fields twice': '{"email":"a@example.com","email":[],"password":1,"password":"12345678"}',
  'a thousand fields': JSON.stringify(Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`f${i}`, i]))),
  'a text': '"email"',
  'a number': '42',
  'an open brace': '{"email":',
  'NUL alone': NUL,
  'a byte order mark': '\ufeff{}',
  'a passkey of empty texts':
    '{"passkey":{"id":"","rawId":"","type":"","response":{"clientDataJSON":"","signature":""}}}',
  'a passkey of other bytes': JSON.stringify({
    passkey: {
      ...{ id: 'AAAA', rawId: 'AAAA', type: 'public-key', clientExtensionResults: {} },
      response: {
        clientDataJSON: 'e30',
        attestationObject: 'oA',
        authenticatorData: 'AA',
        signature: '_w',
        userHandle: '',
      },
    },
  }),
  nothing: '',
};

const ROUTES = [
  ['post', '/auth/register'],
  ['post', '/auth/login'],
  ['post', '/auth/logout'],
  ['post', '/vault/transfer'],
  ['post', '/mfa/verify'],
  ['post', '/mfa/totp/setup'],
  ['post', '/mfa/step-up'],
  ['post', '/mfa/passkeys/setup'],
  ['post', '/mfa/passkeys/confirm'],
  ['post', '/mfa/passkeys/options'],
  ['patch', '/mfa/authenticators/x'],
  ['post', '/mfa/devices/x/revoke'],
] as const;

describe.each(['express', 'fastify'] as const)('S67 bad input to the demo on %s', (httpAdapter) => {
  let folder: string;
  let app: INestApplication;
  let token: string;
  const http = () => request(app.getHttpServer() as Parameters<typeof request>[0]);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'demo-'));
    const clock = new FixedClock(Date.now());
    app = await createDemoApp(loadConfig({ HTTP_ADAPTER: httpAdapter, DATA_DIR: folder }), { clock, logger: false });
    await app.listen(0, '127.0.0.1');
    const credentials = { email: 'bad@example.com', password: PASSWORD };
    token = (await http().post('/auth/register').send(credentials).expect(200)).body.accessToken;
    const as = (test: request.Test) => test.set('Authorization', `Bearer ${token}`);
    const setup = await as(http().post('/mfa/totp/setup')).send({ password: PASSWORD }).expect(200);
    const code = new VirtualAuthenticator(setup.body.otpauthUri, clock).code();
    await as(http().post('/mfa/totp/confirm')).send({ code }).expect(200);
  });
  afterAll(async () => {
    await app?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(Object.entries(BODIES))('S67 never returns a 5xx for %s', async (_, body) => {
    for (const [method, path] of ROUTES) {
      const { status, text } = await http()
        [method](path)
        .set({ 'Content-Type': 'application/json', Authorization: `Bearer ${token}` })
        .send(body);
      if (path === '/auth/logout') token = await signedIn();
      expect([path, status, status >= 500 ? text : '']).toEqual([path, expect.toSatisfy(isOurs), '']);
      if (path.startsWith('/auth/') && path !== '/auth/logout') expect(status).toBeGreaterThanOrEqual(400);
    }
  });

  const isOurs = (status: number) => status < 500;
  async function signedIn(): Promise<string> {
    // A session of a fresh account, since the sign-out above may have ended this one.
    const email = `again${(count += 1)}@example.com`;
    const answer = await http().post('/auth/register').send({ email, password: PASSWORD }).expect(200);
    return answer.body.accessToken as string;
  }
  let count = 0;

  it.each([
    ['application/x-www-form-urlencoded', 'email=a@example.com&password=12345678'],
    ['multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na\r\n--x--\r\n'],
    ['multipart/form-data', 'x'],
    ['text/plain', '{}'],
    ['application/json; charset=utf-7', '{}'],
    ['application/json; charset=', '{}'],
    ['application/json;;;', '{}'],
    ['application/jsonp', '{}'],
    [';', '{}'],
    ['x', '{}'],
  ])('S67 never returns a 5xx for the content type %s', async (type, body) => {
    for (const [method, path] of ROUTES) {
      const { status } = await http()[method](path).set('Content-Type', type).send(body);
      expect([path, status]).toEqual([
        path,
        expect.toSatisfy((each: number) => each < 500 && (each >= 400 || path === '/auth/logout')),
      ]);
    }
  });

  it('S67 never returns a 5xx for any method, path, header or cookie', async () => {
    const paths = [
      ...['/', '/auth/me', '/vault', '/mfa/status', '/mfa/devices', '/docs', '/docs-json', '/assets/app.js'],
      ...['/%', '/%00', '/%E0%A4%A', '/%ff', '/..%2f..%2fetc%2fpasswd', '//', '/auth//login', '/assets/%00.js'],
      ...['/assets/%F0%9F%98%80.js', '/docs/%2e%2e', '/mfa/authenticators/%E0%A4%A', '/auth/login?a[b][c]=1&a=%'],
      `/${'a'.repeat(5_000)}`,
    ];
    const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'FOO'];
    const headers = [
      'Cookie: demo_session',
      'Cookie: demo_session=%E0%A4%A; demo_session=',
      `Cookie: demo_session=${'a'.repeat(3_000)}`,
      'Cookie: \xff=\xff; mfa_token=\xff',
      'Cookie: __proto__=1; constructor=2',
      'Authorization: Bearer',
      `Authorization: Bearer ${'a'.repeat(3_000)}`,
      'Authorization: \xff\xfe',
      'Accept: \xff',
      'Content-Encoding: gzip',
      'Content-Encoding: unknown',
      'Content-Length: -1',
      'Transfer-Encoding: chunked, identity',
      'Expect: 200-maybe',
      'X-HTTP-Method-Override: DELETE',
      'Origin: null',
      'Range: bytes=5-1',
      'If-None-Match: *',
    ];
    const lines: Record<string, string> = {};
    for (const path of paths) lines[`GET ${path}`] = await statusLine('GET', path, []);
    for (const method of methods) {
      for (const path of ['/', '/auth/login', '/vault', '/mfa/verify', '/mfa/status']) {
        lines[`${method} ${path}`] = await statusLine(method, path, []);
      }
    }
    for (const header of headers) {
      for (const [method, path] of [
        ['GET', '/auth/me'],
        ['POST', '/auth/login'],
        ['GET', '/mfa/status'],
      ] as const) {
        lines[`${method} ${path} ${header}`] = await statusLine(method, path, [header]);
      }
    }
    expect(Object.entries(lines).filter(([, line]) => !/^HTTP\/1\.1 [1-4]\d\d/.test(line))).toEqual([]);
  }, 120_000);

  /** One raw request, byte by byte as it stands; the first line of the response. */
  function statusLine(method: string, path: string, headers: string[]): Promise<string> {
    const { port } = app.getHttpServer().address() as { port: number };
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      let received = '';
      socket.on('data', (data) => (received += data));
      socket.on('close', () => resolve(received.split('\r\n')[0]!));
      socket.on('error', reject);
      socket.setTimeout(3_000, () => socket.destroy());
      const text = [`${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers, '', ''].join('\r\n');
      socket.write(Buffer.from(text, 'latin1'));
    });
  }
});
