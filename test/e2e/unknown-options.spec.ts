import { describe, expect, it } from 'vitest';
import { MfaModule, type MfaModuleExtras, type MfaOptions } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { AuthModule, FEW_CODES, startHostApp, TEST_KEY, TestHost } from '../support/host-app.js';

const OPTIONS: MfaOptions = { issuer: 'Acme', keys: [TEST_KEY], cleanup: false, ...FEW_CODES };
const EXTRAS: MfaModuleExtras = { host: TestHost, imports: [AuthModule] };

/** One way for the options into the module. */
type Way = (options: object) => Promise<unknown>;

const ways: [string, Way][] = [
  ['forRoot', async (options) => MfaModule.forRoot({ ...OPTIONS, ...EXTRAS, ...options })],
  [
    'forRootAsync',
    async (options) => {
      const useFactory = () => ({ ...OPTIONS, ...options });
      const host = await startHostApp({ mfa: MfaModule.forRootAsync({ ...EXTRAS, useFactory }) });
      await host.close();
    },
  ],
];

describe.each(ways)('S75 an unknown option of %s', (_, way) => {
  const unknown: [object, string][] = [
    [{ atempts: {} }, 'option `atempts` is unknown. Did you mean `attempts`?'],
    [{ atempts: undefined }, 'option `atempts` is unknown. Did you mean `attempts`?'],
    [{ Issuer: 'Acme' }, 'option `Issuer` is unknown. Did you mean `issuer`?'],
    [{ totp: { windw: 1 } }, 'option `totp.windw` is unknown. Did you mean `totp.window`?'],
    [{ totp: { window: 1, digit: 6 } }, 'option `totp.digit` is unknown. Did you mean `totp.digits`?'],
    [{ window: 1 }, 'option `window` is unknown. Did you mean `totp.window`?'],
    [{ enrollment: { prof: 'password' } }, 'option `enrollment.prof` is unknown. Did you mean `enrollment.proof`?'],
    [
      { timeouts: { statement: 1 } },
      'option `timeouts.statement` is unknown. The options here are connectionSeconds, ',
    ],
    [
      { challenge: { cookie: { samesite: 'lax' } } },
      'option `challenge.cookie.samesite` is unknown. Did you mean `challenge.cookie.sameSite`?',
    ],
    [{ backupCodes: { cuont: 4 } }, 'option `backupCodes.cuont` is unknown. Did you mean `backupCodes.count`?'],
    [{ attempts: { maxFailure: 4 } }, 'option `attempts.maxFailure` is unknown. Did you mean `attempts.maxFailures`?'],
    [{ keys: [{ ...TEST_KEY, secrt: 'x' }] }, 'option `keys[0].secrt` is unknown. Did you mean `keys[0].secret`?'],
    [
      { keys: [TEST_KEY, { id: 'b', secret: TEST_KEY.secret, kid: 'b' }] },
      'option `keys[1].kid` is unknown. Did you mean `keys[1].id`?',
    ],
    [{ fernet: { key: [], until: '2027-01-01' } }, 'option `fernet.key` is unknown. Did you mean `fernet.keys`?'],
    [
      { fernet: { keys: [{ secretkey: 'x' }], until: '2027-01-01' } },
      'option `fernet.keys[0].secretkey` is unknown. Did you mean `fernet.keys[0].secretKey`?',
    ],
    [{ cleanup: { table: [] } }, 'option `cleanup.table` is unknown. Did you mean `cleanup.tables`?'],
    [
      { cleanup: { tables: [{ entity: TestHost, expireAt: 'x' }] } },
      'option `cleanup.tables[0].expireAt` is unknown. Did you mean `cleanup.tables[0].expiresAt`?',
    ],
    [{ completely: 1 }, 'option `completely` is unknown. The options here are issuer, keys, '],
    [JSON.parse('{ "__proto__": 1 }') as object, 'option `__proto__` is unknown. The options here are issuer, '],
    [{ constructor: 1 }, 'option `constructor` is unknown. The options here are issuer, '],
    [{ enrollment: 'session-only' }, "must be an object: write `enrollment: { proof: 'session-only' }`"],
    [{ setupLifetimeSeconds: 600 }, 'Did you mean `enrollment.setupLifetimeSeconds`?'],
    [{ maxAuthenticators: 5 }, 'Did you mean `enrollment.maxAuthenticators`?'],
    [{ disableWithPassword: true }, 'Did you mean `enrollment.disableWithPassword`?'],
    [{ acquireTimeoutSeconds: 5 }, 'Did you mean `timeouts.connectionSeconds`?'],
    [{ statementTimeoutSeconds: 5 }, 'Did you mean `timeouts.statementSeconds`?'],
    [{ challenge: { cookieName: 'x' } }, 'Did you mean `challenge.cookie.name`?'],
    [{ challenge: { cookiePath: '/' } }, 'Did you mean `challenge.cookie.path`?'],
    [{ challenge: { cookieSecure: true } }, 'Did you mean `challenge.cookie.secure`?'],
    [{ publicRoute: [] }, 'Did you mean `http.publicDecorators`?'],
    [
      { requireMfa: true },
      'option `requireMfa` is unknown. Did you mean `{ provide: APP_GUARD, useExisting: MfaGuard }`?',
    ],
  ];

  it.each(unknown)('ends the boot with an error that names the nearest known one: %j', async (options, message) => {
    const refusal = await startOf(way, options);
    expect(refusal).toMatchObject({ code: 'MFA_MISCONFIGURED' });
    expect(refusal.message).toContain(message);
  });
});

/** `forRoot` checks the values at the boot of the application. */
async function startOf(way: Way, options: object): Promise<Error & { code?: string }> {
  try {
    const mfa = await way(options);
    if (mfa) await (await startHostApp({ mfa: mfa as never })).close();
  } catch (error) {
    return error as Error;
  }
  throw new Error('The application started');
}

describe('S75 options in the wrong place', () => {
  it.each<[object, string]>([
    [{ http: { prefx: 'mfa' } }, 'option `http.prefx` is unknown. Did you mean `http.prefix`?'],
    [{ isglobal: true }, 'option `isglobal` is unknown. Did you mean `isGlobal`?'],
    [{ useFactory: () => OPTIONS }, 'option `useFactory` belongs to forRootAsync, not to forRoot'],
  ])('forRoot refuses %j', (options, message) => {
    expect(() => MfaModule.forRoot({ ...OPTIONS, ...EXTRAS, ...options })).toThrow(message);
  });

  it.each<[object, string]>([
    [{ issuer: 'Acme' }, 'option `issuer` must be in the result of the forRootAsync factory'],
    [{ useFactry: () => OPTIONS }, 'option `useFactry` is unknown. Did you mean `useFactory`?'],
    [
      { http: { publicDecorator: [] } },
      'option `http.publicDecorator` is unknown. Did you mean `http.publicDecorators`?',
    ],
  ])('forRootAsync refuses %j', (options, message) => {
    const given = { ...EXTRAS, useFactory: () => OPTIONS, ...options };
    expect(() => MfaModule.forRootAsync(given)).toThrow(message);
  });

  it('forRootAsync without a factory throws an error that names what it needs', () => {
    expect(() => MfaModule.forRootAsync(EXTRAS as never)).toThrow('`useFactory`, `useClass` or `useExisting`');
  });

  it.each([undefined, null, [], 'options'])('forRoot and forRootAsync refuse %j as options', (options) => {
    expect(() => MfaModule.forRoot(options as never)).toThrow('no options were given');
    expect(() => MfaModule.forRootAsync(options as never)).toThrow('no options were given');
  });
});

class Settings {
  readonly issuer: string = 'Acme';
  readonly keys = [TEST_KEY];
  readonly cleanup = false;
  readonly host = TestHost;
  readonly imports = [AuthModule];
  readonly #count = 4;
  /** What a settings class has besides, as an injected configuration service. */
  protected readonly environment = { NODE_ENV: 'test' };

  get backupCodes() {
    return { count: this.#count };
  }

  describe() {
    return this.environment.NODE_ENV;
  }
}

class SubSettings extends Settings {
  override get backupCodes() {
    return { ...super.backupCodes, lowAt: 1 };
  }

  get totp(): object {
    return { digits: 8 };
  }
}

/** The same without the extras. */
function resultOf(settings: Settings): object {
  class Result {
    issuer = settings.issuer;
    keys = settings.keys;
    private readonly source = settings;
    get backupCodes() {
      return this.source.backupCodes;
    }
  }
  return new (class extends Result {
    get totp() {
      return (settings as SubSettings).totp;
    }
  })();
}

describe('S75 options in an instance of a class', () => {
  async function digitsAndCodes(mfa: ReturnType<typeof MfaModule.forRoot>) {
    const host = await startHostApp({ mfa });
    const { authenticator, backupCodes } = await new Client(host, 'instance').enroll();
    await host.close();
    return [authenticator.code().length, backupCodes.length];
  }

  it('are read as own properties, getters and inherited properties, by forRoot and from a factory', async () => {
    expect(await digitsAndCodes(MfaModule.forRoot(new Settings()))).toEqual([6, 4]);
    expect(await digitsAndCodes(MfaModule.forRoot(new SubSettings() as never))).toEqual([8, 4]);
    const useFactory = () => resultOf(new SubSettings()) as MfaOptions;
    expect(await digitsAndCodes(MfaModule.forRootAsync({ ...EXTRAS, useFactory }))).toEqual([8, 4]);
  });

  it('are read from an object without a prototype, a frozen object and one that inherits from another', async () => {
    const bare = Object.assign(Object.create(null) as object, OPTIONS, EXTRAS);
    const derived = Object.assign(Object.create(OPTIONS) as object, EXTRAS);
    for (const options of [bare, Object.freeze({ ...OPTIONS, ...EXTRAS }), derived]) {
      expect(await digitsAndCodes(MfaModule.forRoot(options as never))).toEqual([6, 4]);
    }
  });

  it('are refused when a name is nearly an option, own, inherited or a getter', () => {
    class OwnTypo extends Settings {
      atempts = {};
    }
    class GetterTypo extends Settings {
      get atempts() {
        return {};
      }
    }
    class Derived extends GetterTypo {}
    class NestedTypo extends Settings {
      get totp() {
        return { windw: 1 };
      }
    }
    for (const Typo of [OwnTypo, GetterTypo, Derived]) {
      expect(() => MfaModule.forRoot(new Typo())).toThrow('Did you mean `attempts`?');
    }
    expect(() => MfaModule.forRoot(new NestedTypo() as never)).toThrow('Did you mean `totp.window`?');
    const inherited = Object.assign(Object.create({ ...OPTIONS, nothing: 1 }) as object, EXTRAS);
    expect(() => MfaModule.forRoot(inherited as never)).toThrow('option `nothing` is unknown');
  });
});

it('null and undefined count as left out, in every group', async () => {
  const left = {
    ...{ enrollment: null, totp: undefined, challenge: null, timeouts: null, attempts: undefined, fernet: null },
    ...{ http: null, isGlobal: undefined, dataSource: null, cleanup: null },
  };
  const groups = {
    enrollment: { proof: null, setupLifetimeSeconds: undefined, maxAuthenticators: null, disableWithPassword: null },
    totp: { algorithm: null, digits: null, periodSeconds: undefined, window: null },
    challenge: { lifetimeSeconds: null, extractToken: null, cookie: { name: null, domain: undefined } },
    attempts: { maxFailures: null, lockSeconds: undefined },
    cleanup: { intervalSeconds: null, batchSize: undefined, tables: null },
  };
  for (const options of [left, groups]) {
    const host = await startHostApp({ options });
    const user = new Client(host, 'left-out');
    const { authenticator } = await user.enroll();
    await user.signIn(authenticator.code());
    await host.close();
  }
});
