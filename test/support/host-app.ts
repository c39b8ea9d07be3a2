import {
  Controller,
  Get,
  Injectable,
  Module,
  Post,
  Body,
  type ExecutionContext,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  MfaChallengeService,
  MfaClock,
  MfaHost,
  MfaModule,
  RequireMfa,
  SkipMfa,
  type CompletedMfaLogin,
  type CompletedStepUp,
  type MfaEvent,
  type MfaModuleExtras,
  type MfaOptions,
  type MfaPrincipal,
} from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { FixedClock } from 'nestjs-mfa/testing';
import { createDatabase, type DatabaseKind, type TestDatabase } from './databases.js';

export const ADAPTERS = ['express', 'fastify'] as const;
export type Adapter = (typeof ADAPTERS)[number];

/** A test key: 32 bytes that stand nowhere else. */
export const TEST_KEY = { id: 'k1', secret: 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=' };

interface Session {
  userId: string;
  mfaAt?: Date;
  amr?: string[];
  authenticatedAt: Date;
}

/** The host's own world: users with passwords, and sessions by bearer token. */
@Injectable()
export class HostState {
  readonly sessions = new Map<string, Session>();
  readonly events: MfaEvent[] = [];
  readonly revocations: string[] = [];
  readonly completedLogins: CompletedMfaLogin[] = [];
  private next = 1;

  constructor(readonly clock: MfaClock) {}

  signIn(userId: string, factor: Partial<Session> = {}): string {
    const token = `session-${this.next++}-${userId}`;
    this.sessions.set(token, { userId, authenticatedAt: new Date(this.clock.nowMs()), ...factor });
    return token;
  }
}

/** The natural circle: the login calls the challenge service, and the host adapter calls the login. */
@Injectable()
export class AuthService {
  constructor(
    readonly state: HostState,
    private readonly challenges: MfaChallengeService,
  ) {}

  async login(userId: string) {
    const challenge = await this.challenges.issue(userId);
    return challenge.mfaRequired ? challenge : { accessToken: this.state.signIn(userId) };
  }
}

export const PASSWORD = 'correct horse battery staple';

@Injectable()
export class TestHost extends MfaHost {
  constructor(protected readonly auth: AuthService) {
    super();
  }

  principal(context: ExecutionContext): MfaPrincipal | null {
    const session = this.session(context);
    return session ? { ...session, accountName: `${session.userId}@example.test` } : null;
  }

  completeLogin(login: CompletedMfaLogin, _context: ExecutionContext): unknown {
    const { userId, mfaAt, amr } = login;
    this.auth.state.completedLogins.push(login);
    return { accessToken: this.auth.state.signIn(userId, { mfaAt, amr: ['pwd', ...amr] }) };
  }

  override completeStepUp({ mfaAt, amr }: CompletedStepUp, context: ExecutionContext): unknown {
    Object.assign(this.session(context)!, { mfaAt, amr });
    return { renewed: true };
  }

  override verifyPassword(_principal: MfaPrincipal, password: string): boolean {
    return password === PASSWORD;
  }

  override revokeSessions(userId: string, _context: ExecutionContext | undefined, change: string): void {
    this.auth.state.revocations.push(`${change} ${userId}`);
  }

  override notify(event: MfaEvent): void {
    this.auth.state.events.push(event);
  }

  private session(context: ExecutionContext): Session | undefined {
    const { headers } = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    return this.auth.state.sessions.get(headers.authorization?.replace('Bearer ', '') ?? '');
  }
}

@Controller()
export class HostController {
  constructor(private readonly auth: AuthService) {}

  @Post('login')
  @SkipMfa()
  login(@Body() { user }: { user: string }) {
    return this.auth.login(user);
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

export interface HostAppSetup {
  adapter?: Adapter;
  database?: DatabaseKind;
  /** Share a database with another application. */
  on?: TestDatabase;
  options?: Partial<MfaOptions & MfaModuleExtras>;
  host?: Type<MfaHost>;
  controllers?: Type[];
  imports?: Type[];
  /** Replaces providers before the application starts. */
  override?: (builder: TestingModuleBuilder) => TestingModuleBuilder;
  /** Changes the application before it listens. */
  configure?: (app: INestApplication) => void;
  /** Extra options of the DataSource. */
  dataSource?: Record<string, unknown>;
}

export interface HostApp {
  app: INestApplication;
  clock: FixedClock;
  state: HostState;
  database: TestDatabase;
  /** Ends the application, and its database unless it was given. */
  close(): Promise<void>;
}

/** A small host application with the module in it, on a database of its own, with a clock that tests move. */
export async function startHostApp(setup: HostAppSetup = {}): Promise<HostApp> {
  const database = setup.on ?? (await createDatabase(setup.database ?? 'sqlite'));
  const clock = new FixedClock();
  const root = {
    imports: [
      TypeOrmModule.forRoot({
        ...database.options,
        autoLoadEntities: true,
        migrations: MFA_MIGRATIONS,
        migrationsRun: true,
        retryAttempts: 0,
        ...setup.dataSource,
      } as never),
      AuthModule,
      MfaModule.forRoot({
        issuer: 'Acme',
        keys: [TEST_KEY],
        cleanup: false,
        imports: [AuthModule],
        host: setup.host ?? TestHost,
        ...setup.options,
      }),
      ...(setup.imports ?? []),
    ],
    controllers: [HostController, ...(setup.controllers ?? [])],
  };
  const builder = Test.createTestingModule(root).overrideProvider(MfaClock).useValue(clock);
  const module = await (setup.override ? setup.override(builder) : builder).compile();
  const app: INestApplication =
    setup.adapter === 'fastify'
      ? module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false })
      : module.createNestApplication<NestExpressApplication>({ logger: false });
  setup.configure?.(app);
  await app.init();
  if (setup.adapter === 'fastify') await (app as NestFastifyApplication).getHttpAdapter().getInstance().ready();
  await app.listen(0, '127.0.0.1');
  return {
    app,
    clock,
    state: app.get(HostState, { strict: false }),
    database,
    close: async () => {
      await app.close();
      if (!setup.on) await database.drop();
    },
  };
}
