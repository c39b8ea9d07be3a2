import {
  Controller,
  Get,
  Injectable,
  Module,
  Scope,
  UseGuards,
  type DynamicModule,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import request from 'supertest';
import { DefaultNamingStrategy } from 'typeorm';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  MFA_ENTITIES,
  MfaGuard,
  MfaHost,
  MfaModule,
  MfaStatusService,
  type MfaOptions,
  type MfaOptionsFactory,
  type MfaPrincipal,
} from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { Client } from '../support/client.js';
import { createDatabase } from '../support/databases.js';
import {
  AuthModule,
  AuthService,
  BareHost,
  FEW_CODES,
  HostState,
  PASSWORD,
  startHostApp,
  TEST_KEY,
  TestHost,
  type HostAppSetup,
} from '../support/host-app.js';

afterEach(() => vi.restoreAllMocks());

const boot = async (setup: HostAppSetup) => (await startHostApp(setup)).close();
const bootWith = (options: object) => boot({ options: options as HostAppSetup['options'] });

/** Setup, confirmation and login once through. */
async function runThrough(setup: HostAppSetup): Promise<void> {
  const host = await startHostApp(setup);
  const user = new Client(host, 'through');
  const { authenticator } = await user.enroll();
  const session = await user.signIn(authenticator.code());
  await session.get('/payouts').expect(200);
  await host.close();
}

describe('S7 weak keys end the boot with an error that names entry and remedy, and never quotes the key', () => {
  const REMEDY = /node -e "console\.log\(require\('node:crypto'\)\.randomBytes\(32\)/;
  const { secret } = TEST_KEY;
  const bad: [string, unknown, RegExp, RegExp][] = [
    ['no list', undefined, /keys must be a list of at least one/, REMEDY],
    ['an empty list', [], /keys must be a list of at least one/, REMEDY],
    ['a bare secret', secret, /keys must be a list/, REMEDY],
    ['a hole', [undefined], /keys\[0\]\.id/, /2026-11/],
    ['no id', [{ secret }], /keys\[0\]\.id must be/, /2026-11/],
    ['an id with a dot', [{ id: 'a.b', secret }], /keys\[0\]\.id must be/, /2026-11/],
    ['a variable that is not set', [{ id: 'a', secret: undefined }], /keys\[0\]\.secret is missing/, REMEDY],
    ['an empty variable', [{ id: 'a', secret: '' }], /keys\[0\]\.secret is missing/, REMEDY],
    ['a number', [{ id: 'a', secret: 12345 }], /keys\[0\]\.secret must be a string or a Buffer/, REMEDY],
    [
      'a short secret',
      [{ id: 'a', secret: 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mS' }],
      /keys\[0\]\.secret is shorter than 32/,
      REMEDY,
    ],
    ['a short Buffer', [{ id: 'a', secret: Buffer.alloc(31, 'q7Gx0hX') }], /keys\[0\]\.secret is shorter/, REMEDY],
    [
      'a well-known example',
      [{ id: 'a', secret: 'change-me-change-me-change-me-change-me' }],
      /keys\[0\]\.secret is or contains a well-known example/,
      REMEDY,
    ],
    ['one letter', [{ id: 'a', secret: 'a'.repeat(64) }], /keys\[0\]\.secret has fewer than 8/, REMEDY],
    [
      'two of one id',
      [TEST_KEY, { id: 'k1', secret: `${secret}x` }],
      /keys\[1\]\.id repeats keys\[0\]\.id/,
      /its own id/,
    ],
    ['two of one secret', [TEST_KEY, { id: 'k2', secret }], /keys\[1\]\.secret repeats keys\[0\]\.secret/, REMEDY],
  ];

  it.each(bad)('%s', async (_, keys, problem, remedy) => {
    const refusal = await bootWith({ keys }).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(refusal).toMatchObject({ code: 'MFA_MISCONFIGURED' });
    expect(refusal?.message).toMatch(problem);
    expect(refusal?.message).toMatch(remedy);
    expect(refusal?.message).not.toContain(secret.slice(0, 12));
  });
});

describe('an invalid option ends the boot with an error that names it', () => {
  const bad: [object, RegExp][] = [
    [{ issuer: undefined }, /`issuer` is missing/],
    [{ issuer: '' }, /`issuer`/],
    [{ issuer: 'Acme: Corp' }, /`issuer`.*no colon/],
    [{ issuer: ' Acme' }, /`issuer`/],
    [{ issuer: 'x'.repeat(65) }, /`issuer`.*1 to 64/],
    [{ issuer: 42 }, /`issuer`/],
    [{ issuer: '李'.repeat(64) }, /`issuer` is too long for a QR code/],
    [{ enrollment: { proof: 'sometimes' } }, /`enrollment\.proof`.*'password', 'recent-sign-in', 'session-only'/],
    [{ enrollment: { proof: '' } }, /`enrollment\.proof`.*'password', 'recent-sign-in', 'session-only'/],
    [{ enrollment: { setupLifetimeSeconds: 59 } }, /`enrollment\.setupLifetimeSeconds`.*60 to 3600/],
    [{ enrollment: { maxAuthenticators: 0 } }, /`enrollment\.maxAuthenticators`.*1 to 10/],
    [{ enrollment: { maxAuthenticators: '5' } }, /`enrollment\.maxAuthenticators`/],
    [{ enrollment: { disableWithPassword: 'false' } }, /`enrollment\.disableWithPassword` must be true or false/],
    [{ enrollment: [] }, /`enrollment` must be an object/],
    [{ timeouts: { connectionSeconds: 0 } }, /`timeouts\.connectionSeconds`.*1 to 60/],
    [{ timeouts: { statementSeconds: 0 } }, /`timeouts\.statementSeconds`.*1 to 300/],
    [{ timeouts: 5 }, /`timeouts` must be an object/],
    [{ totp: 'SHA1' }, /`totp` must be an object/],
    [{ totp: { algorithm: 'MD5' } }, /`totp\.algorithm`.*'SHA1'/],
    [{ totp: { digits: 5 } }, /`totp\.digits`.*6 to 8/],
    [{ totp: { digits: 9 } }, /`totp\.digits`/],
    [{ totp: { periodSeconds: 0 } }, /`totp\.periodSeconds`.*10 to 300/],
    [{ totp: { window: -1 } }, /`totp\.window`.*0 to 10/],
    [{ totp: { window: 1.5 } }, /`totp\.window`/],
    [{ totp: { window: Number.NaN } }, /`totp\.window`/],
    [{ challenge: { lifetimeSeconds: 29 } }, /`challenge\.lifetimeSeconds`.*30 to 3600/],
    [{ challenge: { cookie: 'mfa_token' } }, /`challenge\.cookie` must be an object/],
    [{ challenge: { cookie: { name: 'mfa token' } } }, /`challenge\.cookie\.name`/],
    [{ challenge: { cookie: { path: 'mfa' } } }, /`challenge\.cookie\.path`.*slash/],
    [{ challenge: { cookie: { path: '/; Domain=evil' } } }, /`challenge\.cookie\.path`/],
    [{ challenge: { cookie: { path: '/mfä' } } }, /`challenge\.cookie\.path`/],
    [{ challenge: { cookie: { domain: 'acme.example; Path=/' } } }, /`challenge\.cookie\.domain`/],
    [{ challenge: { cookie: { secure: 'no' } } }, /`challenge\.cookie\.secure` must be true or false/],
    [{ challenge: { cookie: { sameSite: 'Lax' } } }, /`challenge\.cookie\.sameSite`.*'lax', 'strict', 'none'/],
    [{ challenge: { cookie: { sameSite: 'none', secure: false } } }, /sameSite.*`challenge\.cookie\.secure: true`/],
    [{ challenge: { cookie: { name: '__Secure-mfa', secure: false } } }, /__Secure-mfa.*secure: true/],
    [{ challenge: { cookie: { name: '__Host-mfa' } } }, /__Host-mfa.*path: '\/'/],
    [{ challenge: { cookie: { name: '__Host-mfa', path: '/', domain: 'a.example' } } }, /__Host-mfa.*domain/],
    [{ challenge: { extractToken: 'body' } }, /`challenge\.extractToken`.*function/],
    [{ backupCodes: { count: 3 } }, /`backupCodes\.count`.*4 to 20/],
    [{ backupCodes: { length: 9 as 8 } }, /`backupCodes\.length` must be 8 or 13/],
    [{ backupCodes: { count: 4, lowAt: 5 } }, /`backupCodes\.lowAt`.*0 to 4/],
    [{ attempts: { maxFailures: 0 } }, /`attempts\.maxFailures`/],
    [{ attempts: { lockSeconds: -1 } }, /`attempts\.lockSeconds`/],
    [{ attempts: { lockSeconds: 100, maxLockSeconds: 99 } }, /`attempts\.lockSeconds`.*`attempts\.maxLockSeconds`/],
    [{ attempts: { maxFailures: 10, disableAfter: 9 } }, /`attempts\.disableAfter`.*`attempts\.maxFailures`/],
    [{ attempts: { dailyBurst: Infinity } }, /`attempts\.dailyBurst`/],
    [{ fernet: { keys: [{ secretKey: 'x' }] } }, /`fernet\.until`.*ISO 8601/],
    [{ fernet: { keys: [{ secretKey: 'x' }], until: 'soon' } }, /`fernet\.until`/],
    [{ fernet: { keys: [], until: '2027-01-01' } }, /`fernet\.keys`.*secretKey/],
    [{ fernet: { keys: [{ secretKey: '' }], until: '2027-01-01' } }, /`fernet\.keys\[0\]`.*environment variable/],
    [{ fernet: { keys: [{ key: 'short' }], until: '2027-01-01' } }, /`fernet\.keys\[0\]`.*44 characters/],
    [{ cleanup: { intervalSeconds: 0 } }, /`cleanup\.intervalSeconds`/],
    [{ cleanup: { intervalSeconds: 3_000_000 } }, /`cleanup\.intervalSeconds`/],
    [{ cleanup: { batchSize: 0 } }, /`cleanup\.batchSize`/],
    [
      { cleanup: { tables: [{ entity: HostState, expiresAt: 'x', graceSeconds: -1 }] } },
      /`cleanup\.tables\[0\]\.graceSeconds`/,
    ],
    [{ cleanup: { tables: [{ entity: HostState, expiresAt: 'x' }] } }, /HostState is not an entity.*`cleanup\.tables`/],
    [{ host: undefined }, /`host` is missing/],
    [{ host: {} }, /`host` is missing/],
    [{ http: true }, /`http` must be an object/],
    [{ http: { prefix: ['mfa'] } }, /`http\.prefix` must be a path/],
    [{ http: { decorators: () => undefined } }, /`http\.decorators` must be a list/],
    [{ http: { publicDecorators: [undefined] } }, /`http\.publicDecorators\[0\]` must be a decorator/],
    [{ isGlobal: 'no' }, /`isGlobal` must be true or false/],
    [{ cleanup: true }, /`cleanup` must be an object/],
    [{ cleanup: { tables: {} } }, /`cleanup\.tables` must be a list/],
  ];

  it.each(bad)('%j', async (options, message) => {
    await expect(bootWith(options)).rejects.toThrow(message);
  });
});

describe('the host class', () => {
  @Injectable()
  class NoPrincipal extends TestHost {
    override principal = undefined as never;
  }

  @Injectable({ scope: Scope.REQUEST })
  class RequestScoped extends TestHost {}

  @Injectable({ scope: Scope.REQUEST })
  class PerRequest {}

  @Module({ providers: [PerRequest], exports: [PerRequest] })
  class PerRequestModule {}

  @Injectable()
  class InjectsRequestScoped extends TestHost {
    constructor(
      auth: AuthService,
      readonly perRequest: PerRequest,
    ) {
      super(auth);
    }
  }

  it('is refused when it lacks a method', async () => {
    await expect(boot({ host: NoPrincipal })).rejects.toThrow(/`host`.*no method `principal`/);
  });

  it('is refused when it is request-scoped, or injects a request-scoped provider', async () => {
    await expect(boot({ host: RequestScoped })).rejects.toThrow(/`host`.*must be a singleton/);
    const imports = [AuthModule, PerRequestModule];
    await expect(boot({ host: InjectsRequestScoped, options: { imports } })).rejects.toThrow(/must be a singleton/);
  });

  it('boots in the circular case: its login calls the module, and the module calls it', async () => {
    await runThrough({ options: FEW_CODES });
  });
});

describe('S12 the proof of the first enrollment', () => {
  @Injectable()
  class DatedHost extends BareHost {
    static authenticatedAt: unknown;
    override principal(context: ExecutionContext): MfaPrincipal | null {
      const principal = super.principal(context);
      return principal && { ...principal, authenticatedAt: DatedHost.authenticatedAt as Date };
    }
  }

  it('must be configured for a host that cannot check a password', async () => {
    await expect(boot({ host: BareHost })).rejects.toThrow(
      /verifyPassword.*`enrollment\.proof`.*'recent-sign-in'.*'session-only'/,
    );
    const password = { host: BareHost, options: { enrollment: { proof: 'password' as const } } };
    await expect(boot(password)).rejects.toThrow(/`enrollment\.proof` is 'password'.*no `verifyPassword`/);
    const disabling = { enrollment: { proof: 'session-only' as const, disableWithPassword: true } };
    await expect(boot({ host: BareHost, options: disabling })).rejects.toThrow(
      /`enrollment\.disableWithPassword` needs `verifyPassword`/,
    );
  });

  it('recent-sign-in requires a sign-in at most five minutes old', async () => {
    const host = await startHostApp({
      host: DatedHost,
      options: { ...FEW_CODES, enrollment: { proof: 'recent-sign-in' } },
    });
    const user = new Client(host, 'recent');
    const ago = (seconds: number) => new Date(host.clock.nowMs() - seconds * 1000);
    const stale = [undefined, null, ago(301), ago(-61), new Date(Number.NaN), ago(301).toISOString(), ago(0).getTime()];
    for (const authenticatedAt of stale) {
      DatedHost.authenticatedAt = authenticatedAt;
      await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(401, /MFA_PROOF_REQUIRED/);
      expect((await user.get('/mfa/status')).body.pendingSetup).toBe(false);
    }
    DatedHost.authenticatedAt = ago(300).toISOString();
    await user.post('/mfa/totp/setup').expect(200);
    DatedHost.authenticatedAt = ago(300);
    const { authenticator } = await user.enroll();
    DatedHost.authenticatedAt = ago(0);
    await user.post('/mfa/totp/setup').expect(401, /MFA_PROOF_REQUIRED/);
    await user.post('/mfa/disable').expect(401, /MFA_PROOF_REQUIRED/);
    await user.post('/mfa/totp/setup', { code: authenticator.code() }).expect(200);
    await host.close();
  });

  it('session-only requires the session, and a code as soon as there is an authenticator', async () => {
    const host = await startHostApp({
      host: BareHost,
      options: { ...FEW_CODES, enrollment: { proof: 'session-only' } },
    });
    const user = new Client(host, 'session-only');
    await new Client(host, 'session-only', 'none').post('/mfa/totp/setup').expect(401, /MFA_NOT_AUTHENTICATED/);
    await user.post('/mfa/totp/setup').expect(200);
    await user.enroll();
    await user.post('/mfa/totp/setup').expect(401, /MFA_PROOF_REQUIRED/);
    await user.post('/mfa/disable').expect(401, /MFA_PROOF_REQUIRED/);
    await host.close();
  });

  it.each([undefined, null, 1, 'yes', {}])('is missing when verifyPassword() returns %j', async (answer) => {
    vi.spyOn(TestHost.prototype, 'verifyPassword').mockReturnValue(answer as never);
    const host = await startHostApp({});
    const user = new Client(host, 'truthy');
    await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(401, /MFA_PROOF_REQUIRED/);
    await host.close();
  });
});

describe('forRootAsync', () => {
  const OPTIONS: MfaOptions = { issuer: 'Acme', keys: [TEST_KEY], cleanup: false, ...FEW_CODES };
  const extras = { host: TestHost, imports: [AuthModule] };

  @Injectable()
  class Factory implements MfaOptionsFactory {
    createMfaOptions = () => Promise.resolve(OPTIONS);
  }

  @Module({ providers: [Factory], exports: [Factory] })
  class FactoryModule {}

  const ways: [string, () => DynamicModule][] = [
    ['useFactory', () => MfaModule.forRootAsync({ ...extras, useFactory: async () => OPTIONS })],
    [
      'useFactory with inject',
      () =>
        MfaModule.forRootAsync({
          ...extras,
          imports: [AuthModule, FactoryModule],
          inject: [Factory],
          useFactory: (factory: Factory) => factory.createMfaOptions(),
        }),
    ],
    ['useClass', () => MfaModule.forRootAsync({ ...extras, useClass: Factory })],
    [
      'useExisting',
      () => MfaModule.forRootAsync({ ...extras, imports: [AuthModule, FactoryModule], useExisting: Factory }),
    ],
  ];

  it.each(ways)('takes its options by %s', async (_, mfa) => {
    await runThrough({ mfa: mfa() });
  });

  it('checks what the factory returns, and reports when it returns nothing', async () => {
    const returning = (options: unknown) =>
      MfaModule.forRootAsync({ ...extras, useFactory: () => options as MfaOptions });
    await expect(boot({ mfa: returning(undefined) })).rejects.toThrow(/no options were given/);
    await expect(boot({ mfa: returning({ ...OPTIONS, keys: [] }) })).rejects.toThrow(/keys must be a list/);
  });

  it.each(['host', 'http', 'dataSource', 'isGlobal', 'imports'])(
    'S75 refuses `%s` in the result of the factory, because it is needed before',
    async (name) => {
      const mfa = MfaModule.forRootAsync({ ...extras, useFactory: () => ({ ...OPTIONS, [name]: 'everywhere' }) });
      await expect(boot({ mfa })).rejects.toThrow(new RegExp(`\`${name}\` must be next to the forRootAsync factory`));
    },
  );

  it('refuses a missing host when it is called', () => {
    expect(() => MfaModule.forRootAsync({ useFactory: () => OPTIONS } as never)).toThrow(/`host` is missing/);
  });
});

class UpperCaseTables extends DefaultNamingStrategy {
  override tableName(className: string, given: string | undefined) {
    return (given ?? className).toUpperCase();
  }
}

class CamelCaseColumns extends DefaultNamingStrategy {
  override columnName(property: string) {
    return property;
  }
}

/** As the usual packages: a given name stays, another becomes snake case. */
class SnakeCase extends DefaultNamingStrategy {
  override tableName(className: string, given: string | undefined) {
    return given ?? className.toLowerCase();
  }
  override columnName(property: string, given: string | undefined) {
    return given ?? property.toLowerCase();
  }
  override prefixTableName(prefix: string, name: string) {
    return `${prefix}__${name}`;
  }
}

describe('the DataSource', () => {
  it('may be a named one, and the unnamed one then gets no table of the module', async () => {
    const other = await createDatabase('sqlite');
    const unnamed = TypeOrmModule.forRoot({ ...other.options, autoLoadEntities: true } as never);
    const host = await startHostApp({
      dataSource: { name: 'security' },
      options: { ...FEW_CODES, dataSource: 'security' },
      imports: [unnamed],
    });
    const user = new Client(host, 'named');
    const { authenticator } = await user.enroll();
    await user.signIn(authenticator.code());
    expect(await host.dataSource.query('SELECT user_id FROM mfa_account')).toEqual([{ user_id: 'named' }]);
    const { DataSource } = await import('typeorm');
    const tables = await host.app
      .get(DataSource, { strict: false })
      .query("SELECT name FROM sqlite_master WHERE name LIKE 'mfa%'");
    expect(tables).toEqual([]);
    await host.close();
    await other.drop();
  });

  it('may list the entities explicitly', async () => {
    await runThrough({ options: FEW_CODES, dataSource: { autoLoadEntities: false, entities: MFA_ENTITIES } });
  });

  it('without the migrations ends the boot with an error that names them and the command', async () => {
    const missing = boot({ dataSource: { migrations: [], migrationsRun: false } });
    await expect(missing).rejects.toThrow(
      /"mfa_\w+" does not exist.*MFA_MIGRATIONS.*nestjs-mfa\/migrations.*migration:run/s,
    );
  });

  it('without the entities ends the boot with an error that names the remedy', async () => {
    const missing = boot({ dataSource: { autoLoadEntities: false, entities: [] } });
    await expect(missing).rejects.toThrow(/MFA_ENTITIES|autoLoadEntities/);
  });

  it('S75 with `manualInitialization` ends the boot with an error that names that setting', async () => {
    const manual = boot({ dataSource: { manualInitialization: true } });
    await expect(manual).rejects.toThrow(/not initialized.*`manualInitialization: true`.*`dataSourceFactory`/s);
    await expect(manual).rejects.not.toThrow(/autoLoadEntities/);
  });

  it.each<[string, DefaultNamingStrategy, object, RegExp]>([
    ['tables', new UpperCaseTables(), {}, /"mfa_account".*"MFA_ACCOUNT".*`tableName`/s],
    ['tables with a prefix', new UpperCaseTables(), { entityPrefix: 'a_' }, /"a_mfa_account".*"a_MFA_ACCOUNT"/s],
    ['columns', new CamelCaseColumns(), {}, /"user_id".*"userId".*`columnName`/s],
  ])(
    'S75 whose naming strategy renames given %s ends the boot with an error that names it',
    async (_, namingStrategy, more, message) => {
      await expect(boot({ dataSource: { namingStrategy, ...more } })).rejects.toThrow(message);
    },
  );

  it('S75 whose naming strategy keeps given names boots, also when it adds a prefix', async () => {
    const dataSource = { namingStrategy: new SnakeCase(), entityPrefix: 'acme' };
    await runThrough({ options: FEW_CODES, dataSource });
  });

  it('with tables made by `synchronize` boots with a warning', async () => {
    const warnings: unknown[] = [];
    const quiet = () => undefined;
    const logger = { log: quiet, error: quiet, warn: (message: unknown) => warnings.push(message) };
    await boot({ logger, dataSource: { migrations: [], migrationsRun: false, synchronize: true } });
    expect(warnings).toContainEqual(expect.stringMatching(/`synchronize`.*MFA_MIGRATIONS/s));
  });
});

describe('isGlobal: false', () => {
  @Injectable()
  class LoneHost extends MfaHost {
    principal = () => ({ userId: 7, accountName: 'seven' });
    completeLogin = () => ({});
    override verifyPassword = () => true;
  }

  @Controller('inside')
  class InsideController {
    constructor(private readonly statuses: MfaStatusService) {}

    @Get()
    inside() {
      return this.statuses.status(7);
    }

    @Get('guarded')
    @UseGuards(MfaGuard)
    guarded() {
      return {};
    }
  }

  const mfaOf = (isGlobal: boolean) =>
    MfaModule.forRoot({ issuer: 'Acme', keys: [TEST_KEY], cleanup: false, host: LoneHost, isGlobal });

  async function bootBeside(feature: Type | DynamicModule, mfa: DynamicModule) {
    const database = await createDatabase('sqlite');
    const typeorm = { ...database.options, autoLoadEntities: true, migrations: MFA_MIGRATIONS, migrationsRun: true };
    const imports = [TypeOrmModule.forRoot(typeorm as never), mfa, feature];
    try {
      const module = await Test.createTestingModule({ imports }).compile();
      const app = await module.createNestApplication({ logger: false }).init();
      return { app, close: () => app.close().then(database.drop) };
    } catch (error) {
      await database.drop();
      throw error;
    }
  }

  it('serves the modules that import it', async () => {
    const mfa = mfaOf(false);

    @Module({ imports: [mfa], controllers: [InsideController] })
    class Feature {}

    const { app, close } = await bootBeside(Feature, mfa);
    await request(app.getHttpServer())
      .get('/inside')
      .expect(200, /"enabled":false/);
    await request(app.getHttpServer())
      .get('/inside/guarded')
      .expect(403, /MFA_ENROLLMENT_REQUIRED/);
    await close();
  });

  it('does not serve modules that do not import it, while a global module serves all', async () => {
    @Module({ controllers: [InsideController] })
    class Stranger {}

    await expect(bootBeside(Stranger, mfaOf(false))).rejects.toThrow(/can't resolve dependencies/);
    const { app, close } = await bootBeside(Stranger, mfaOf(true));
    await request(app.getHttpServer())
      .get('/inside/guarded')
      .expect(403, /MFA_ENROLLMENT_REQUIRED/);
    await close();
  });
});
