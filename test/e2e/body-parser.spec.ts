import { json, raw } from 'express';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { INestApplication } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import request from 'supertest';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, PASSWORD, startHostApp, type Adapter, type HostApp } from '../support/host-app.js';

const CODE = { code: '123456' };
const ROUTES: [method: 'post' | 'patch', path: string, body: object][] = [
  ['post', '/mfa/verify', { mfa_token: 'x', ...CODE }],
  ['post', '/mfa/totp/setup', { password: PASSWORD }],
  ['post', '/mfa/totp/confirm', CODE],
  ['post', '/mfa/step-up', CODE],
  ['post', '/mfa/backup-codes/regenerate', CODE],
  ['patch', '/mfa/authenticators/some', { name: 'phone' }],
  ['post', '/mfa/authenticators/some/remove', CODE],
  ['post', '/mfa/disable', CODE],
];

/** Applications whose bodies nobody parses: without a parser, or with one that leaves bytes. */
const UNPARSED: [string, Adapter, (app: INestApplication) => void][] = [
  ['Express with bodyParser: false', 'express', () => undefined],
  ['Express with a parser of bytes', 'express', (app) => void app.use(raw({ type: '*/*' }))],
  ['Express with a parser of other paths', 'express', (app) => void app.use('/webhooks', json())],
  ['Fastify with a parser that drops JSON', 'fastify', (app) => dropJson(app as NestFastifyApplication)],
];

function dropJson(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance();
  fastify.removeContentTypeParser('application/json');
  fastify.addContentTypeParser('application/json', (_, payload, done) => {
    payload.resume().on('end', () => done(null));
  });
}

const errors: string[] = [];
const quiet = () => undefined;
const logger = { log: quiet, warn: quiet, error: (message: unknown) => void errors.push(String(message)) };

describe.each(UNPARSED)('S75 on %s', (_, adapter, configure) => {
  let host: HostApp;
  beforeEach(async () => {
    errors.length = 0;
    host = await startHostApp({ adapter, configure, logger, bodyParser: false, options: FEW_CODES });
  });
  afterEach(() => host.close());

  it('every route that needs a body returns 500 MFA_MISCONFIGURED, signed in or not, and the remedy is logged once', async () => {
    for (const session of ['', 'none']) {
      const client = new Client(host, 'unparsed', session);
      for (const [method, path, body] of ROUTES) {
        const { status, body: shown } = await client[method](path, body);
        expect([path, status, shown]).toEqual([path, 500, MISCONFIGURED]);
      }
    }
    expect(errors.filter((each) => /not parsed.*`bodyParser: false`.*express\.json/s.test(each))).toHaveLength(1);
    expect(errors).toHaveLength(1);
  });

  it('routes that need no body work', async () => {
    const client = new Client(host, 'no-body');
    await client.get('/mfa/status').expect(200);
    const { status } = await request(client.server).post('/mfa/verify').set('x-mfa-token', 'x');
    expect(status).toBe(401);
    expect(errors).toEqual([]);
  });
});

const MISCONFIGURED = {
  statusCode: 500,
  code: 'MFA_MISCONFIGURED',
  message: 'The server is misconfigured.',
  error: 'Internal Server Error',
};

describe.each(ADAPTERS)('S67 S75 on %s with its parser', (adapter) => {
  let host: HostApp;
  beforeEach(async () => {
    errors.length = 0;
    host = await startHostApp({ adapter, logger, options: FEW_CODES });
  });
  afterEach(() => host.close());

  const TYPES = [
    ...['application/json;', 'application/json; charset', 'application/json; charset=', 'application/json; =x'],
    ...['application/json; charset="utf-8', 'application/json;;', 'application/json; charset=utf-8; charset=utf-8'],
    ...[
      'application/json ; charset=utf-8',
      'APPLICATION/JSON',
      'application/json; charset=latin1',
      'application/json x',
    ],
    ...['application/json; a="\\""', 'application/json; a="b"', 'application/json, application/json'],
  ];

  it('no content type makes a request look unparsed', async () => {
    const { server } = new Client(host, 'types');
    for (const type of TYPES) {
      const body = JSON.stringify({ mfa_token: 'x', ...CODE });
      const { status } = await request(server).post('/mfa/verify').set('Content-Type', type).send(body);
      expect([type, [400, 401, 415].includes(status) ? 'refused' : status]).toEqual([type, 'refused']);
    }
    expect(errors).toEqual([]);
  });

  it('an empty or absent body is refused, and logs no error', async () => {
    const client = new Client(host, 'empty');
    await client.post('/mfa/verify', {}).expect(401, /MFA_TOKEN_INVALID/);
    await client.post('/mfa/totp/confirm', {}).expect(400, /MFA_BAD_REQUEST/);
    await request(client.server)
      .post('/mfa/verify')
      .expect(401, /MFA_TOKEN_INVALID/);
    const text = request(client.server).post('/mfa/verify').set('Content-Type', 'application/json').send('"text"');
    expect([400, 401]).toContain((await text).status);
    expect(errors).toEqual([]);
  });
});
