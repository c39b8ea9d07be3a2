import { Module, type INestApplication } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { Validator } from '@seriousme/openapi-schema-validator';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { MfaModule } from 'nestjs-mfa';
import { PASSKEYS } from '../support/passkey-client.js';
import { addMfaToOpenApi } from 'nestjs-mfa/openapi';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp, type HostAppSetup } from '../support/host-app.js';

@Module({ imports: [RouterModule.register([{ path: 'account', module: MfaModule }])] })
class AccountRoutes {}

interface Operation {
  operationId: string;
  tags: string[];
  security?: object[];
  responses: Record<string, { description: string; content?: Record<string, { schema: Schema }> }>;
  requestBody?: object;
  'x-nestjs-mfa'?: string;
}
interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  items?: Schema;
  allOf?: Schema[];
}

const documentOf = (app: INestApplication, builder = new DocumentBuilder()) =>
  addMfaToOpenApi(SwaggerModule.createDocument(app, builder.build()));

/** Every MFA operation of a document as `METHOD path`, with the operation. */
function operationsOf({ paths }: OpenAPIObject): Map<string, Operation> {
  const all = Object.entries(paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
  );
  return new Map(all.filter(([, { tags }]) => tags?.includes('MFA')));
}

async function problemsOf(document: object): Promise<unknown> {
  const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(document)) as never);
  return valid ? [] : errors;
}

const prefixed = (prefix: string, exclude: string[] = []): HostAppSetup => ({
  configure: (app) => void app.setGlobalPrefix(prefix, { exclude }),
});

describe('the OpenAPI document', () => {
  const CASES: [what: string, setup: HostAppSetup, mount: string][] = [
    ['no prefix', {}, '/mfa'],
    ['a global prefix', prefixed('api'), '/api/mfa'],
    ['a global prefix that excludes the routes', prefixed('api', ['mfa/*path']), '/mfa'],
    ['RouterModule under a global prefix', { imports: [AccountRoutes], ...prefixed('api') }, '/api/account/mfa'],
    ['a prefix with a parameter', { options: { http: { prefix: 't/:tenant/mfa' } } }, '/t/{tenant}/mfa'],
  ];

  it.each(CASES)('under %s is valid and describes every route where it is mounted', async (_, setup, mount) => {
    const host = await startHostApp({
      ...setup,
      options: { ...FEW_CODES, ...PASSKEYS, trustedDevices: {}, ...setup.options },
    });
    const document = documentOf(host.app, new DocumentBuilder().addBearerAuth().addCookieAuth('session'));
    expect(await problemsOf(document)).toEqual([]);
    const operations = operationsOf(document);
    expect(operations.size).toBeGreaterThanOrEqual(9);
    for (const [place] of operations) {
      const [method, path] = place.split(' ') as [string, string];
      expect(path).toMatch(new RegExp(`^${mount.replaceAll(/[{}]/g, '\\$&')}/`));
      const url = path.replace('{tenant}', 'acme').replace('{id}', 'x');
      const send = request(host.app.getHttpServer());
      const answer = await (method === 'GET' ? send.get(url) : method === 'PATCH' ? send.patch(url) : send.post(url));
      expect([place, answer.status]).toEqual([place, 401]);
    }
    await host.close();
  });

  it('describes every route of the module, with a unique id, security, error codes and a typed response', async () => {
    const host = await startHostApp({ options: FEW_CODES });
    const plain = SwaggerModule.createDocument(host.app, new DocumentBuilder().addBearerAuth().build());
    const marks = Object.values(plain.paths as Record<string, Record<string, Operation>>)
      .flatMap((methods) => Object.values(methods))
      .filter((operation) => 'x-nestjs-mfa' in operation);
    // A route without a description would carry an undefined mark.
    expect(marks.map((operation) => operation['x-nestjs-mfa'])).toEqual(marks.map(() => expect.any(String)));
    const operations = [...operationsOf(addMfaToOpenApi(plain)).entries()];
    expect(operations).toHaveLength(marks.length);
    expect(new Set(operations.map(([, { operationId }]) => operationId)).size).toBe(operations.length);
    for (const [place, { operationId, security, responses, requestBody }] of operations) {
      expect(operationId).toMatch(/^mfa[A-Z]/);
      const isTokenRoute = /verify|challenge|options|setup|confirm/.test(place);
      const isUserRoute = !/verify|challenge/.test(place);
      expect(security).toEqual([
        ...(isTokenRoute ? [{ MfaToken: [] }, {}] : []),
        ...(isUserRoute ? [{ bearer: [] }] : []),
      ]);
      expect(responses['401']!.description).toContain(isTokenRoute ? 'MFA_TOKEN_INVALID' : 'MFA_NOT_AUTHENTICATED');
      expect(responses['200']!.content!['application/json']!.schema).toBeDefined();
      if (requestBody) expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400', '415']));
    }
    await host.close();
  });

  it('names every code that the routes return, at its status', async () => {
    const host = await startHostApp({ options: { ...FEW_CODES, enrollment: { maxAuthenticators: 1 } } });
    const operations = operationsOf(documentOf(host.app));
    const returned = await failuresOf(host);
    expect(new Set(returned.map(([, status]) => status))).toEqual(new Set([400, 401, 404, 409, 429]));
    const unnamed = returned.filter(([place, status, code]) => {
      const failure = operations.get(place)!.responses[status]?.content?.['application/json']!.schema;
      return !failure?.allOf![1]!.properties!.code!.enum!.includes(code);
    });
    expect(unnamed).toEqual([]);
    await host.close();
  });

  it('is the same when it is extended twice, keeps the parts of the host, and has no empty list of required fields', async () => {
    const host = await startHostApp();
    const document = documentOf(host.app);
    const before = JSON.stringify(document);
    expect(JSON.stringify(addMfaToOpenApi(document))).toBe(before);
    expect(before).not.toContain('"required":[]');
    expect(document.paths).toHaveProperty('/payouts');
    await host.close();
  });

  it('is valid as OpenAPI 3.1, at a given path, and without the module in the document', async () => {
    const host = await startHostApp({ options: { http: false } });
    const document = SwaggerModule.createDocument(host.app, new DocumentBuilder().setOpenAPIVersion('3.1.0').build());
    expect([...operationsOf(document).keys()]).toEqual([]);
    addMfaToOpenApi(document, { path: '/own/', security: ['session'] });
    expect(operationsOf(document).get('GET /own/status')!.security).toEqual([{ session: [] }]);
    expect(JSON.stringify(document)).not.toContain('nullable');
    expect(await problemsOf(document)).toEqual([]);
    await host.close();
  });

  it('names the fields that the routes return', async () => {
    const host = await startHostApp({ options: FEW_CODES });
    const document = documentOf(host.app);
    const seen = await responsesOf(host);
    const schemas = document.components!.schemas as Record<string, Schema>;
    for (const [place, body] of Object.entries(seen)) {
      const operation = operationsOf(document).get(place)!;
      expectShape(place, body, operation.responses['200']!.content!['application/json']!.schema, schemas);
    }
    await host.close();
  });
});

function expectShape(place: string, value: unknown, schema: Schema, schemas: Record<string, Schema>): void {
  const known = schema.$ref ? schemas[schema.$ref.split('/').at(-1)!]! : schema;
  if (Array.isArray(value)) {
    for (const each of value) expectShape(`${place}[]`, each, known.items!, schemas);
    return;
  }
  if (!known.properties) return;
  const names = Object.keys(value as object);
  expect([place, names.filter((name) => !(name in known.properties!))]).toEqual([place, []]);
  expect([place, (known.required ?? []).filter((name) => !names.includes(name))]).toEqual([place, []]);
  for (const [name, each] of Object.entries(value as object)) {
    expectShape(`${place}.${name}`, each, known.properties[name]!, schemas);
  }
}

/** What refused requests return: place, status and code. */
async function failuresOf(host: HostApp): Promise<[place: string, status: number, code: unknown][]> {
  const [user, fresh, locked] = [new Client(host, 'user'), new Client(host, 'fresh'), new Client(host, 'locked')];
  const { authenticator } = await user.enroll();
  await locked.enroll();
  host.clock.advance(30);
  const code = '000000';
  const mfa_token = await user.login();
  const withBody: [path: string, caller: Client, body: object][] = [
    ['totp/setup', fresh, {}],
    ['totp/setup', fresh, { name: 7 }],
    ['totp/setup', user, { code: authenticator.code() }],
    ['totp/confirm', fresh, { code }],
    ['totp/confirm', fresh, {}],
    ['setup/cancel', fresh, {}],
    ['verify', fresh, { code }],
    ['verify', fresh, { mfa_token }],
    ['verify', fresh, { mfa_token, code }],
    ['step-up', fresh, { code }],
    ['step-up', user, {}],
    ['backup-codes/regenerate', fresh, { code }],
    ['backup-codes/regenerate', user, {}],
    ['backup-codes/regenerate', user, { code }],
    ['authenticators/{id}/remove', fresh, { code }],
    ['authenticators/{id}/remove', user, { code: authenticator.code(1) }],
    ['disable', fresh, { code }],
    ['disable', user, {}],
    ['disable', user, { code }],
    ...Array.from({ length: 6 }, (): [string, Client, object] => ['step-up', locked, { code }]),
    ...['totp/setup', 'backup-codes/regenerate', 'authenticators/{id}/remove', 'disable'].map(
      (path): [string, Client, object] => [path, locked, { code }],
    ),
  ];
  const failures: [string, number, unknown][] = [];
  const add = (place: string, { status, body }: { status: number; body: { code?: unknown } }) =>
    void (status >= 400 && failures.push([place, status, body.code]));
  for (const [path, caller, body] of withBody) {
    const place = `/mfa/${path}`;
    add(`POST ${place}`, await caller.post(place.replace('{id}', 'unknown'), body));
    add(`POST ${place}`, await request(user.server).post(place).send({ code }));
  }
  const renaming = '/mfa/authenticators/unknown';
  add('PATCH /mfa/authenticators/{id}', await user.patch(renaming, { name: 'Phone' }));
  add('PATCH /mfa/authenticators/{id}', await user.patch(renaming, {}));
  add('GET /mfa/challenge', await request(user.server).get('/mfa/challenge'));
  add('GET /mfa/status', await request(user.server).get('/mfa/status'));
  return failures;
}

/** A walk through the routes that have a fixed response. */
async function responsesOf(host: HostApp): Promise<Record<string, unknown>> {
  const user = new Client(host, 'documented');
  const seen: Record<string, unknown> = {};
  const post = async (path: string, body: object, documented = path) => {
    seen[`POST /mfa/${documented}`] = (await user.post(`/mfa/${path}`, body).expect(200)).body;
    return seen[`POST /mfa/${documented}`] as Record<string, string>;
  };
  const setup = await post('totp/setup', { password: PASSWORD });
  const id = setup.authenticatorId!;
  const authenticator = new VirtualAuthenticator(setup.otpauthUri!, host.clock);
  const step = () => (host.clock.advance(30), authenticator.code());
  await post('totp/confirm', { code: authenticator.code() });
  await post('step-up', { code: step() });
  await post('backup-codes/regenerate', { code: step() });
  seen['PATCH /mfa/authenticators/{id}'] = (await user.patch(`/mfa/authenticators/${id}`, { name: 'Phone' })).body;
  seen['GET /mfa/status'] = (await user.get('/mfa/status').expect(200)).body;
  await post(`authenticators/${id}/remove`, { code: step() }, 'authenticators/{id}/remove');
  const again = await user.enroll();
  await post('disable', { code: again.authenticator.code() });
  return seen;
}
