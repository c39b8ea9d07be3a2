import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import {
  ArgumentsHost,
  CallHandler,
  Catch,
  ExceptionFilter,
  ExecutionContext,
  HttpException,
  Injectable,
  NestInterceptor,
  ValidationPipe,
  type INestApplication,
} from '@nestjs/common';
import request from 'supertest';
import { map } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { ADAPTERS, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

/** One raw request; the first line of the answer and its body. */
function raw(host: HostApp, text: string | Buffer): Promise<string> {
  const { port } = host.app.getHttpServer().address() as { port: number };
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    socket.setTimeout(4_000, () => (socket.destroy(), resolve(answer || 'TIMEOUT')));
    socket.write(text);
  });
}

describe.each(ADAPTERS)('HTTP tricks over %s', (adapter) => {
  let host: HostApp;
  let token: string;
  let code: string;
  beforeAll(async () => {
    host = await startHostApp({ adapter });
    const user = new Client(host, 'tricky');
    const { authenticator } = await user.enroll();
    token = await user.login();
    code = authenticator.code();
  });
  afterAll(() => host.close());

  const sized = (type: string, text: string) => head(type, `Content-Length: ${Buffer.byteLength(text)}`) + text;
  const head = (...lines: string[]) =>
    ['POST /mfa/verify HTTP/1.1', 'Host: x', 'Connection: close', ...lines, '', ''].join('\r\n');

  it('no trick is accepted, and none is 5xx', async () => {
    const body = JSON.stringify({ mfa_token: token, code });
    const length = `Content-Length: ${Buffer.byteLength(body)}`;
    const json = 'Content-Type: application/json';
    const nested = '['.repeat(20_000) + ']'.repeat(20_000);
    const tricks: Record<string, string | Buffer> = {
      combinedType: head('Content-Type: application/json, text/plain', length) + body,
      twoTypes: head('Content-Type: text/plain', json, length) + body,
      suffixType: head('Content-Type: application/json+x', length) + body,
      jsonApi: head('Content-Type: application/vnd.api+json', length) + body,
      noType: head(length) + body,
      form: sized('Content-Type: application/x-www-form-urlencoded', `mfa_token=${token}&code=${code}`),
      formAsText: sized('Content-Type: text/plain', body),
      badGzip: head(json, 'Content-Encoding: gzip', length) + body.replace(code, '0'.repeat(code.length)),
      unknownEncoding: head(json, 'Content-Encoding: foo', length) + body.replace(code, '0'.repeat(code.length)),
      emptyJson: head(json, 'Content-Length: 0'),
      nul: head(json, 'Content-Length: 1') + '\0',
      jsonNull: head(json, 'Content-Length: 4') + 'null',
      jsonArray: head(json, 'Content-Length: 2') + '[]',
      jsonNumber: head(json, 'Content-Length: 2') + '42',
      jsonString: head(json, 'Content-Length: 2') + '""',
      proto: sized(json, `{"__proto__":${body},"x":1}`),
      constructorProto: sized(json, `{"constructor":{"prototype":${body}},"x":1}`),
      protoString: sized(json, `{"__proto__":"${token}","code":"${code}"}`),
      duplicateKeys: sized(json, `{"mfa_token":"${token}","mfa_token":1,"code":"${code}"}`),
      codeTwice: sized(json, `{"mfa_token":"${token}","code":"${code}","code":["${code}"]}`),
      url: sized(json, '{}').replace('/mfa/verify', `/mfa/verify?mfa_token=${token}&code=${code}`),
      get: sized(json, body).replace('POST', 'GET'),
      nested: head(json, `Content-Length: ${nested.length}`) + nested,
      badChunk: head(json, 'Transfer-Encoding: chunked') + 'ZZ\r\n',
      teAndCl: head(json, 'Transfer-Encoding: chunked', 'Content-Length: 3') + '0\r\n\r\n',
      shortBody: head(json, 'Content-Length: 3') + '{"a',
    };
    const outcome: Record<string, string> = {};
    for (const [name, text] of Object.entries(tricks)) outcome[name] = (await raw(host, text)).split('\r\n')[0]!;
    const bad = Object.entries(outcome).filter(([, line]) => !/ 4\d\d /.test(line));
    expect(bad).toEqual([]);
  }, 120_000);

  it('a gzipped body is read or refused, and never 5xx', async () => {
    const packed = gzipSync(JSON.stringify({ mfa_token: token, code: '000000' }));
    const text = Buffer.concat([
      Buffer.from(head('Content-Type: application/json', 'Content-Encoding: gzip', `Content-Length: ${packed.length}`)),
      packed,
    ]);
    const [line] = (await raw(host, text)).split('\r\n');
    expect(line).toMatch(/ 4\d\d /);
  });

  it('odd paths and parameters are never 5xx', async () => {
    const user = new Client(host, 'tricky');
    for (const path of ['%00', '%E0%A4%A', '..%2f..', '__proto__', '%', 'a'.repeat(4_000), '%F0%9F%98%80']) {
      const { status } = await request(user.server)
        .patch(`/mfa/authenticators/${path}`)
        .set('Authorization', `Bearer ${user.session}`)
        .send({ name: 'x' });
      expect([path.slice(0, 20), status < 500]).toEqual([path.slice(0, 20), true]);
    }
  });

  it('odd names, passwords and codes in setup are never 5xx', async () => {
    const user = new Client(host, 'setup-tricks');
    const values: unknown[] = [
      null,
      '',
      '\0',
      '\ud800',
      'x'.repeat(65),
      '😀'.repeat(64),
      '\u202e',
      1,
      {},
      [],
      { toString: 1 },
      true,
      '\u2028',
    ];
    for (const value of values) {
      for (const field of ['name', 'password', 'code']) {
        const { status } = await user.post('/mfa/totp/setup', { password: PASSWORD, [field]: value });
        expect([field, value, status < 500]).toEqual([field, value, true]);
      }
      for (const path of ['/mfa/disable', '/mfa/backup-codes/regenerate', '/mfa/step-up', '/mfa/totp/confirm']) {
        const { status } = await user.post(path, { code: value, password: value });
        expect([path, value, status < 500]).toEqual([path, value, true]);
      }
    }
  });
});

@Catch()
class CatchAll implements ExceptionFilter {
  catch(exception: unknown, host: ArgumentsHost) {
    const response = host.switchToHttp().getResponse();
    const status = exception instanceof HttpException ? exception.getStatus() : 500;
    const body = { caught: exception instanceof HttpException ? exception.getResponse() : String(exception) };
    if (response.send && response.code) response.code(status).send(body);
    else response.status(status).json(body);
  }
}

@Injectable()
class Wrap implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler) {
    return next.handle().pipe(map((data) => ({ data })));
  }
}

describe.each(ADAPTERS)('hosts with global enhancers over %s', (adapter) => {
  const withConfig = (configure: (app: INestApplication) => void) => startHostApp({ adapter, configure });

  it.each([
    ['strict ValidationPipe', new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true })],
    [
      'ValidationPipe for custom decorators',
      new ValidationPipe({
        whitelist: true,
        forbidNonWhitelisted: true,
        forbidUnknownValues: true,
        transform: true,
        validateCustomDecorators: true,
        transformOptions: { enableImplicitConversion: true },
      }),
    ],
  ])('the flow works behind a %s', async (_, pipe) => {
    const host = await withConfig((app) => app.useGlobalPipes(pipe));
    try {
      const user = new Client(host, 'piped');
      const { authenticator, id } = await user.enroll();
      await user.patch(`/mfa/authenticators/${id}`, { name: 'Phone' }).expect(200);
      await user.verify(await user.login(), 123456).expect(400);
      await user.verify(await user.login(), authenticator.code()).expect(200);
    } finally {
      await host.close();
    }
  });

  it('S69 responses of the module keep their shape behind a catch-all filter', async () => {
    const host = await withConfig((app) => app.useGlobalFilters(new CatchAll()));
    try {
      const user = new Client(host, 'caught');
      await user.enroll();
      const wrong = await user.verify(await user.login(), '000000');
      expect(wrong.status).toBe(401);
      expect(wrong.body.code).toBe('MFA_CODE_REJECTED');
      const refused = await new Client(host, 'caught').get('/transfers');
      expect(refused.status).toBe(401);
      expect(refused.headers['www-authenticate']).toContain('max_age');
    } finally {
      await host.close();
    }
  });

  it('S69 an interceptor that wraps responses wraps the successes of the module, and breaks nothing', async () => {
    const host = await withConfig((app) => app.useGlobalInterceptors(new Wrap()));
    try {
      const user = new Client(host, 'wrapped');
      const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      expect(body.data.secret).toHaveLength(32);
      const app = new VirtualAuthenticator(body.data.otpauthUri, host.clock);
      const confirmed = await user.post('/mfa/totp/confirm', { code: app.code() }).expect(200);
      expect(confirmed.body.data).toMatchObject({ enabled: true });
    } finally {
      await host.close();
    }
  });
});
