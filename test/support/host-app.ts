import {
  Controller,
  Get,
  Injectable,
  Module,
  Post,
  Body,
  Req,
  Res,
  type DynamicModule,
  type ExecutionContext,
  type INestApplication,
  type LoggerService,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import {
  MfaChallengeService,
  MFA_ENTITIES,
  MfaClock,
  MfaHost,
  MfaModule,
  RequireMfa,
  SkipMfa,
  type MfaChange,
  type MfaCookieResponse,
  type MfaEvent,
  type MfaIssueOptions,
  type MfaLogin,
  type MfaModuleExtras,
  type MfaOptions,
  type MfaPrincipal,
  type MfaStepUp,
} from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { FixedClock } from 'nestjs-mfa/testing';
import { captureEvent, capturingLogger, capturingTypeOrmLogger, SensitiveValues, takeLeaks } from './log-capture.js';
import { createDatabase, type DatabaseKind, type TestDatabase } from './databases.js';

export const ADAPTERS = ['express', 'fastify'] as const;
export type Adapter = (typeof ADAPTERS)[number];

/** A test key: 32 bytes that stand nowhere else. */
export const TEST_KEY = { id: 'k1', secret: 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=' };

interface Session {
  userId: string;
  sessionId: string;
  mfaAt?: Date | null;
  amr?: string[];
  authenticatedAt: Date;
}

/** The host's own world: users with passwords, and sessions by bearer token. */
@Injectable()
export class HostState {
  readonly sessions = new Map<string, Session>();
  readonly events: MfaEvent[] = [];
  readonly revocations: string[] = [];
  readonly completedLogins: MfaLogin[] = [];
  /** Logins without a second step. */
  readonly openedLogins: MfaLogin[] = [];
  /** Users who may not sign in any more. */
  readonly blocked = new Set<string>();
  /** Whether logins name the account, as they must where there is a policy. */
  namesAccounts = false;
  /** Whether devices can be trusted, so that logins give the version of the password. */
  trustsDevices = false;
  /** The version of each user's password; `null` = the user has none. @default 'v1' */
  readonly passwordVersions = new Map<string, string | null>();
  private next = 1;

  constructor(readonly clock: MfaClock) {}

  signIn(userId: string, factor: Partial<Session> = {}): string {
    const token = `session-${this.next++}-${userId}`;
    this.sessions.set(token, {
      userId,
      sessionId: `id of ${token}`,
      authenticatedAt: new Date(this.clock.nowMs()),
      ...factor,
    });
    return token;
  }

  signOut(userId: string): void {
    for (const [token, session] of this.sessions) if (session.userId === userId) this.sessions.delete(token);
  }

  forgetSecondFactors(userId: string): void {
    for (const session of this.sessions.values()) {
      if (session.userId === userId) Object.assign(session, { mfaAt: undefined, amr: undefined });
    }
  }
}

/** The natural circle: the login calls the challenge service, and the host adapter calls the login. */
@Injectable()
export class AuthService {
  constructor(
    readonly state: HostState,
    private readonly challenges: MfaChallengeService,
  ) {}

  async login(userId: string, device: Pick<MfaIssueOptions, 'device' | 'deviceToken'> = {}) {
    const { namesAccounts, trustsDevices, passwordVersions } = this.state;
    const credentialVersion = passwordVersions.has(userId) ? passwordVersions.get(userId) : 'v1';
    const challenge = await this.challenges.issue(userId, {
      ...(namesAccounts && { accountName: `${userId}@example.test` }),
      ...(trustsDevices && { credentialVersion, ...device }),
    });
    if (challenge.mfaRequired) return challenge;
    const { enrollmentDueAt, mfaAt, amr } = challenge.login;
    this.state.openedLogins.push(challenge.login);
    const accessToken = this.state.signIn(userId, mfaAt ? { mfaAt, amr } : {});
    return { accessToken, ...(enrollmentDueAt && { enrollmentDueAt }) };
  }
}

export const PASSWORD = 'correct horse battery staple';

/** As little as a host can have: no password check, no step-up, nothing to be told. */
@Injectable()
export class BareHost extends MfaHost {
  constructor(protected readonly auth: AuthService) {
    super();
  }

  principal(context: ExecutionContext): MfaPrincipal | null {
    const session = this.session(context);
    return session ? { ...session, accountName: `${session.userId}@example.test` } : null;
  }

  completeLogin(login: MfaLogin, _context: ExecutionContext): unknown {
    const { userId, mfaAt, amr } = login;
    this.auth.state.completedLogins.push(login);
    if (this.auth.state.blocked.has(userId)) return null;
    return { accessToken: this.auth.state.signIn(userId, { mfaAt, amr: ['pwd', ...amr] }) };
  }

  protected session(context: ExecutionContext): Session | undefined {
    const { headers } = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    return this.auth.state.sessions.get(headers.authorization?.replace('Bearer ', '') ?? '');
  }
}

@Injectable()
export class TestHost extends BareHost {
  override completeStepUp({ mfaAt, amr }: MfaStepUp, context: ExecutionContext): unknown {
    Object.assign(this.session(context)!, { mfaAt, amr });
    return { renewed: true };
  }

  override verifyPassword(_principal: MfaPrincipal, password: string): boolean | Promise<boolean> {
    return password === PASSWORD;
  }

  /** Other sessions stay, so that tests can look at them; without MFA none of them keeps its second factor (S72). */
  override revokeSessions({ type, userId, enabled }: MfaChange, _context: ExecutionContext | undefined): unknown {
    this.auth.state.revocations.push(`${type} ${userId}`);
    if (type === 'mfa.login.superseded') this.auth.state.signOut(userId);
    if (!enabled) this.auth.state.forgetSecondFactors(userId);
    return undefined;
  }

  override notify(event: MfaEvent): void {
    captureEvent(event);
    this.auth.state.events.push(event);
  }
}

@Controller()
export class HostController {
  constructor(private readonly auth: AuthService) {}

  @Post('login')
  @SkipMfa()
  login(
    @Body() { user, deviceToken }: { user: string; deviceToken?: string },
    @Req() request: { headers: object },
    @Res({ passthrough: true }) response: MfaCookieResponse,
  ) {
    return this.auth.login(user, { device: { request, response }, deviceToken });
  }

  @Get('payouts')
  @RequireMfa()
  list() {
    return { payouts: [] };
  }

  @Get('transfers')
  @RequireMfa({ maxAgeSeconds: 300 })
  transfer() {
    return { transferred: true };
  }
}

@Module({ providers: [AuthService, HostState], exports: [AuthService, HostState] })
export class AuthModule {}

/** For specs that enroll often and are not about backup codes: hashing them is what takes the time. */
export const FEW_CODES = { backupCodes: { count: 4 } };

export interface HostAppSetup {
  adapter?: Adapter;
  database?: DatabaseKind;
  /** Share a database with another application. */
  on?: TestDatabase;
  options?: Partial<MfaOptions & MfaModuleExtras>;
  /** In place of `MfaModule.forRoot` with `options`. */
  mfa?: DynamicModule;
  host?: Type<MfaHost>;
  /** See {@link HostState.namesAccounts}. @default false */
  namesAccounts?: boolean;
  controllers?: Type[];
  imports?: (Type | DynamicModule)[];
  providers?: Provider[];
  /** Replaces providers before the application starts. */
  override?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
  /** Changes the application before it listens. */
  configure?: (app: INestApplication) => void;
  /** Imports TypeORM after the MFA module; Nest 11 and 12 then shut it down first. @default false */
  isTypeOrmLast?: boolean;
  /** Extra options of the DataSource. */
  dataSource?: Record<string, unknown>;
  logger?: LoggerService;
  /** As the option of `NestFactory.create`. */
  bodyParser?: boolean;
}

export interface HostApp {
  app: INestApplication;
  clock: FixedClock;
  state: HostState;
  database: TestDatabase;
  /** The DataSource that holds the MFA tables. */
  dataSource: DataSource;
  /** Ends the application, and its database unless it was given. */
  close(): Promise<void>;
}

/** A small host application with the module in it, on a database of its own, with a clock that tests move. */
export async function startHostApp(setup: HostAppSetup = {}): Promise<HostApp> {
  const database = setup.on ?? (await createDatabase(setup.database ?? 'sqlite'));
  const drop = async () => (setup.on ? undefined : database.drop());
  const clock = new FixedClock();
  let app: INestApplication | undefined;
  try {
    app = await createApp(setup, database, clock);
    await app.init();
    if (setup.adapter === 'fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await app?.close().catch(() => undefined);
    await drop();
    throw error;
  }
  const running = app;
  const state = app.get(HostState, { strict: false });
  state.namesAccounts = setup.namesAccounts ?? false;
  state.trustsDevices = Boolean(setup.options?.trustedDevices);
  return {
    app,
    clock,
    state,
    database,
    dataSource: app.get<DataSource>(getDataSourceToken(setup.options?.dataSource ?? undefined), { strict: false }),
    close: async () => {
      await running.close();
      await drop();
      const leaks = takeLeaks();
      if (leaks.length > 0) throw new Error(`S64: these stand in the log: ${leaks.join(', ')}`);
    },
  };
}

async function createApp(setup: HostAppSetup, database: TestDatabase, clock: FixedClock): Promise<INestApplication> {
  const typeOrm = TypeOrmModule.forRoot({
    ...database.options,
    autoLoadEntities: true,
    migrations: MFA_MIGRATIONS,
    migrationsRun: true,
    retryAttempts: 0,
    logging: true,
    logger: capturingTypeOrmLogger,
    ...setup.dataSource,
  } as never);
  const root = {
    imports: [
      ...(setup.isTypeOrmLast ? [] : [typeOrm]),
      AuthModule,
      setup.mfa ??
        MfaModule.forRoot({
          issuer: 'Acme',
          keys: [TEST_KEY],
          cleanup: false,
          imports: [AuthModule],
          host: setup.host ?? TestHost,
          ...setup.options,
        }),
      ...(setup.imports ?? []),
      ...(setup.isTypeOrmLast ? [typeOrm] : []),
    ],
    controllers: [HostController, ...(setup.controllers ?? [])],
    providers: setup.providers ?? [],
  };
  const builder = Test.createTestingModule(root).overrideProvider(MfaClock).useValue(clock);
  const options = { logger: setup.logger ?? capturingLogger, bodyParser: setup.bodyParser ?? true };
  const module = await (setup.override ? setup.override(builder) : builder).compile();
  const app: INestApplication =
    setup.adapter === 'fastify'
      ? module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), options)
      : module.createNestApplication<NestExpressApplication>(options);
  app.useGlobalInterceptors(new SensitiveValues());
  setup.configure?.(app);
  return app;
}

/** Every row of every MFA table, to be compared or searched. */
export async function dumpTables({ dataSource }: HostApp): Promise<Record<string, object[]>> {
  const tables = MFA_ENTITIES.map(async (entity) => {
    const { tableName } = dataSource.getMetadata(entity);
    return [tableName, await dataSource.query(`SELECT * FROM ${tableName}`)] as const;
  });
  return Object.fromEntries(await Promise.all(tables));
}

/** Any provider of the application, by the name of its class: for making a store of the library answer wrongly. */
export function providerNamed<T extends object>({ app }: Pick<HostApp, 'app'>, name: string): T {
  for (const { providers } of app.get(ModulesContainer).values()) {
    for (const [token, { instance }] of providers) {
      if (typeof token === 'function' && token.name === name) return instance as T;
    }
  }
  throw new Error(`No provider is called ${name}`);
}
