import { existsSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import request from 'supertest';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addMfaToOpenApi } from 'nestjs-mfa/openapi';
import { FixedClock, VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaException, type MfaErrorCode, type MfaOptions } from 'nestjs-mfa';
import { resolveOptions } from '../../libs/mfa/src/options/resolve-options.js';
import { createDatabase, testServers, type TestDatabase } from '../support/databases.js';
import { compilerMessages, writeExample, type Example } from './example.js';
import { anchors, codeFiles, links, pages, read, root, tableRows } from './markdown.js';
import { optionsOf } from './options.js';

const OPTIONS = read('docs/reference/options.md');
const HTTP = read('docs/reference/http.md');
const [ERRORS = ''] = read('docs/reference/errors.md').split('## What a client does');
const code = (cell: string | undefined) => cell?.replaceAll('`', '') ?? '';

describe('code in the README and in docs', () => {
  let example: Example;
  beforeAll(async () => {
    example = await writeExample(new Map(pages.flatMap((page) => [...codeFiles(read(page))])));
  });
  afterAll(() => example.remove());

  it('names every file once', () => {
    const files = pages.flatMap((page) => [...codeFiles(read(page)).keys()]);
    const marked = pages.flatMap((page) => read(page).match(/^```ts title=/gm) ?? []);
    expect(files).toHaveLength(marked.length);
    expect(files).toEqual([...new Set(files)]);
    expect(files).toContain('src/app.module.ts');
  });

  it.each(['module', 'commonjs'] as const)('compiles as written in a package of type %s', (type) => {
    expect(compilerMessages(example, type)).toEqual([]);
  });

  it('is refused by the compiler when it calls what is not there', async () => {
    const broken = await writeExample(new Map([['src/x.ts', `import { MfaGuardian } from 'nestjs-mfa';\n`]]));
    const messages = compilerMessages(broken, 'module');
    await broken.remove();
    expect(messages).toEqual([expect.stringContaining(`has no exported member named 'MfaGuardian'`)]);
  });

  describe.skipIf(!testServers.includes('postgres'))('runs on PostgreSQL', () => {
    let database: TestDatabase;
    let app: INestApplication;
    beforeAll(async () => {
      database = await createDatabase('postgres');
      process.env.DATABASE_URL = database.url;
      process.env.MFA_KEY = 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=';
      const { AppModule } = (await import(join(example.folder, 'src/app.module.ts'))) as { AppModule: never };
      app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
      await app.listen(0, '127.0.0.1');
    });
    afterAll(async () => {
      await app?.close();
      await database?.drop();
      delete process.env.DATABASE_URL;
      delete process.env.MFA_KEY;
    });

    const credentials = { email: 'ada@example.com', password: 'correct horse' };
    const server = () => request(app.getHttpServer() as Parameters<typeof request>[0]);
    const get = (path: string, session: string) => server().get(path).set('Authorization', `Bearer ${session}`);
    const post = (path: string, body: object, session = '') =>
      server().post(path).set('Authorization', `Bearer ${session}`).send(body);

    it('S72 enrolls, requires the second step, opens the guarded routes, and closes them when MFA is disabled', async () => {
      const session = (await post('/auth/login', credentials).expect(200)).body.accessToken;
      await get('/payouts', session).expect(403, /MFA_ENROLLMENT_REQUIRED/);
      const setup = await post('/mfa/totp/setup', { password: credentials.password }, session).expect(200);
      const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, new FixedClock(Date.now()));
      await post('/mfa/totp/confirm', { code: authenticator.code() }, session).expect(200);
      await post('/payouts', {}, session).expect(201);

      const { mfaRequired, mfa_token } = (await post('/auth/login', credentials).expect(200)).body;
      expect(mfaRequired).toBe(true);
      const verified = await post('/mfa/verify', { mfa_token, code: authenticator.code(1) }).expect(200);
      await post('/payouts', {}, verified.body.accessToken).expect(201);
      // The confirmation ended other sessions, and kept the one that made it.
      await post('/payouts', {}, session).expect(201);

      // S72: without MFA the session that stays has no second factor.
      const disabled = await post('/mfa/disable', { code: authenticator.code(-1) }, verified.body.accessToken);
      expect(disabled.body).toEqual({ enabled: false });
      const after = verified.body.accessToken;
      await get('/payouts', after).expect(403, /MFA_ENROLLMENT_REQUIRED/);
      await post('/payouts', {}, after).expect(403, /MFA_ENROLLMENT_REQUIRED/);
      await get('/mfa/status', after).expect(200);
      await get('/mfa/status', session).expect(401);
    });

    it('S79 resumes the setup of one session, and gives another session another secret', async () => {
      const signIn = async () => (await post('/auth/login', credentials).expect(200)).body.accessToken as string;
      const setup = async (session: string) =>
        (await post('/mfa/totp/setup', { password: credentials.password }, session).expect(200)).body;
      const [first, second] = [await signIn(), await signIn()];
      const begun = await setup(first);
      expect(await setup(first)).toEqual({ ...begun, resumed: true });
      expect((await setup(second)).secret).not.toBe(begun.secret);
      await post('/mfa/totp/confirm', { code: '000000' }, first).expect(404, /MFA_SETUP_NOT_FOUND/);
    });

    it('S71 signs nobody in who was blocked between the password and the code', async () => {
      const session = (await post('/auth/login', credentials).expect(200)).body.accessToken;
      const setup = await post('/mfa/totp/setup', { password: credentials.password }, session).expect(200);
      const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, new FixedClock(Date.now()));
      await post('/mfa/totp/confirm', { code: authenticator.code() }, session).expect(200);
      const { mfa_token } = (await post('/auth/login', credentials).expect(200)).body;
      const { AccountsService } = (await import(join(example.folder, 'src/auth/accounts.service.ts'))) as {
        AccountsService: Type<{ block(id: number): Promise<void> }>;
      };
      await app.get(AccountsService, { strict: false }).block(1);
      const answer = await post('/mfa/verify', { mfa_token, code: authenticator.code(1) }).expect(401);
      expect(answer.body.code).toBe('MFA_TOKEN_INVALID');
      await get('/mfa/status', session).expect(401);
    });
  });
});

describe('docs/reference/options.md', () => {
  const [, section = ''] = /<!-- options -->(.*)<!-- \/options -->/s.exec(OPTIONS) ?? [];
  const rows = new Map(tableRows(section).map(([name, ...cells]) => [code(name), cells]));
  const declared = [...optionsOf('MfaOptions'), ...optionsOf('MfaModuleExtras')];
  const base: MfaOptions = {
    issuer: 'Acme',
    keys: [{ id: 'k', secret: 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=' }],
  };

  it.each(declared)('$name is in the table, with its default', ({ name, defaultValue }) => {
    expect([...rows.keys()]).toContain(name);
    if (defaultValue !== undefined) expect(code(rows.get(name)?.[2])).toContain(defaultValue);
  });

  it('lists no option that does not exist', () => {
    const names = declared.map(({ name }) => name);
    expect([...rows.keys()].filter((name) => name !== 'Option' && !names.includes(name))).toEqual([]);
  });

  /** What else must be given for the bounds of an option to be reached. */
  const COMPANIONS: Record<string, object> = {
    'attempts.lockSeconds': { maxLockSeconds: 31_622_400 },
    'attempts.maxLockSeconds': { lockSeconds: 1 },
    'attempts.maxFailures': { disableAfter: 1_000_000 },
    'attempts.disableAfter': { maxFailures: 1 },
    'passkeys.max': { rpId: 'localhost', origins: ['http://localhost'] },
  };
  const withValue = (name: string, value: number): MfaOptions => {
    const [group = '', field] = name.split('.');
    return { ...base, [group]: field ? { ...COMPANIONS[name], [field]: value } : value };
  };
  const ranges = [...rows].flatMap(([name, [, range = '']]) => {
    const [, least, most] = /^(\d+) to (\d+)/.exec(range) ?? [];
    return least && most ? [{ name, least: Number(least), most: Number(most) }] : [];
  });

  it('gives a range to every option that is a number', () => {
    expect(ranges.length).toBeGreaterThanOrEqual(15);
  });

  it.each(ranges)('$name takes $least to $most and nothing beyond', ({ name, least, most }) => {
    for (const value of [least, most]) expect(() => resolveOptions(withValue(name, value))).not.toThrow();
    for (const value of [least - 1, most + 1]) {
      expect(() => resolveOptions(withValue(name, value))).toThrow(
        expect.objectContaining({ code: 'MFA_MISCONFIGURED' }),
      );
    }
  });

  it('gives the defaults that apply', () => {
    const passkeys = { rpId: 'localhost', origins: ['http://localhost'] };
    const { totp, challenge, backupCodes, attempts, cleanup, ...rest } = resolveOptions({ ...base, passkeys });
    const seconds = (ms: number) => ms / 1000;
    const applied: Record<string, unknown> = {
      'enrollment.setupLifetimeSeconds': seconds(rest.setupLifetimeMs),
      'enrollment.maxAuthenticators': rest.maxAuthenticators,
      'enrollment.disableWithPassword': rest.disableWithPassword,
      'enrollment.allowPasswordOnly': rest.allowPasswordOnly,
      'enrollment.tokenLifetimeSeconds': rest.enrollmentTokenSeconds,
      'timeouts.connectionSeconds': seconds(rest.acquireTimeoutMs),
      'timeouts.statementSeconds': seconds(rest.statementTimeoutMs),
      'totp.algorithm': `'${totp.algorithm}'`,
      'totp.digits': totp.digits,
      'totp.periodSeconds': totp.periodSeconds,
      'totp.window': totp.window,
      'challenge.lifetimeSeconds': challenge.lifetimeSeconds,
      'challenge.cookie.name': `'${challenge.cookie.name}'`,
      'challenge.cookie.secure': challenge.cookie.secure,
      'challenge.cookie.sameSite': `'${challenge.cookie.sameSite}'`,
      'backupCodes.count': backupCodes.count,
      'backupCodes.lowAt': backupCodes.lowAt,
      'passkeys.userVerification': `'${rest.passkeys?.userVerification}'`,
      'passkeys.max': rest.passkeys?.max,
      'passkeys.protectChanges': rest.passkeys?.protectChanges,
      'attempts.maxFailures': attempts.maxFailures,
      'attempts.lockSeconds': seconds(attempts.lockMs),
      'attempts.maxLockSeconds': seconds(attempts.maxLockMs),
      'attempts.dailyBurst': attempts.dailyBurst,
      'attempts.dailyRefill': attempts.dailyRefill,
      'attempts.disableAfter': attempts.disableAfter,
      'cleanup.intervalSeconds': seconds(cleanup.intervalMs),
      'cleanup.batchSize': cleanup.batchSize,
    };
    const written = Object.keys(applied).map((name) => [name, code(rows.get(name)?.[2])]);
    expect(Object.fromEntries(written)).toEqual(
      Object.fromEntries(Object.entries(applied).map(([name, value]) => [name, String(value)])),
    );
  });
});

describe('docs/reference/http.md and errors.md', () => {
  const rows = new Map(tableRows(HTTP + ERRORS).map(([first, ...cells]) => [code(first), cells]));

  const source = ts.createSourceFile('e.ts', read('libs/mfa/src/domain/mfa-error.ts'), ts.ScriptTarget.ES2022, true);
  const codes = source.statements
    .filter(ts.isTypeAliasDeclaration)
    .filter(({ name }) => name.text === 'MfaErrorCode')
    .flatMap(({ type }) =>
      ts.isUnionTypeNode(type) ? type.types.map((each) => each.getText().slice(1, -1)) : [],
    ) as MfaErrorCode[];

  it.each(codes)('%s is in the table, with its status', (each) => {
    expect(rows.get(each)?.[0]).toMatch(new RegExp(`^${new MfaException(each).getStatus()}\\b`));
  });

  it('names every route of the OpenAPI document, and no other', () => {
    const { paths } = addMfaToOpenApi({ paths: {} as Record<string, object> });
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('{id}', ':id')}`),
    );
    const written = [...rows.keys()].filter((first) => /^(GET|POST|PATCH|PUT|DELETE) \//.test(first));
    expect(written.toSorted()).toEqual(routes.toSorted());
  });
});

describe('links', () => {
  it.each(pages)('of %s lead somewhere', (page) => {
    const dead = links(read(page)).filter((target) => {
      if (/^https?:/.test(target)) return false;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : posix.normalize(posix.join(dirname(page), path));
      return !existsSync(join(root, file)) || (anchor !== undefined && !anchors(read(file)).has(anchor));
    });
    expect(dead).toEqual([]);
  });
});
