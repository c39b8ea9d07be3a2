import { Controller, Get, Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { LazyModuleLoader, RouterModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { MfaChallengeService, MfaHost, MfaModule, MfaStatusService, type MfaModuleExtras } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { createDatabase } from '../support/databases.js';
import { TEST_KEY } from '../support/host-app.js';

@Injectable()
class LoneHost extends MfaHost {
  principal = () => ({ userId: 7, accountName: 'seven' });
  completeLogin = () => ({});
  override verifyPassword = () => true;
}

@Injectable()
class Login {
  constructor(readonly challenges: MfaChallengeService) {}
}

@Controller('inside')
class InsideController {
  constructor(private readonly statuses: MfaStatusService) {}

  @Get()
  inside() {
    return this.statuses.status(7);
  }
}

const OPTIONS = { issuer: 'Acme', keys: [TEST_KEY], cleanup: false } as const;
const mfaOf = (extras: Partial<MfaModuleExtras> = {}) => MfaModule.forRoot({ ...OPTIONS, host: LoneHost, ...extras });
const asyncOf = () => MfaModule.forRootAsync({ useFactory: () => OPTIONS, host: LoneHost });

type Imports = (Type | DynamicModule)[];

async function boot(imports: Imports, providers: Type[] = []) {
  const database = await createDatabase('sqlite');
  const typeorm = {
    ...database.options,
    autoLoadEntities: true,
    migrations: MFA_MIGRATIONS,
    migrationsRun: true,
    retryAttempts: 0,
  };
  try {
    const builder = Test.createTestingModule({
      imports: [TypeOrmModule.forRoot(typeorm as never), ...imports],
      providers,
    });
    const app = await (await builder.compile()).createNestApplication({ logger: false }).init();
    return { app, close: () => app.close().then(database.drop) };
  } catch (error) {
    await database.drop();
    throw error;
  }
}

/** The same imports in a module of their own. */
function within(imports: Imports): Type {
  @Module({ imports })
  class Feature {}
  return Feature;
}

describe('S75 a second import of the module', () => {
  const twice: [string, () => Imports][] = [
    ['forRoot twice in one module', () => [mfaOf(), mfaOf()]],
    ['forRoot twice in two modules', () => [mfaOf(), within([mfaOf()])]],
    ['forRootAsync twice', () => [asyncOf(), asyncOf()]],
    ['forRoot and forRootAsync', () => [asyncOf(), within([within([mfaOf()])])]],
    ['two that are not global', () => [within([mfaOf({ isGlobal: false })]), within([mfaOf({ isGlobal: false })])]],
    ['one without routes', () => [mfaOf(), mfaOf({ http: false })]],
  ];

  it.each(twice)('%s ends the boot and names the remedy', async (_, imports) => {
    const refusal = await boot(imports()).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'MFA_MISCONFIGURED' });
    expect((refusal as Error).message).toMatch(/imported 2 times in this application\. Import it once, in the root/);
  });

  it('is detected on Nest 10 too, which merges dynamic modules of equal metadata: each call has different metadata', () => {
    const metadataOf = ({ providers }: DynamicModule) => JSON.stringify(providers);
    const mfa = mfaOf();
    expect(metadataOf(mfaOf())).not.toBe(metadataOf(mfa));
    expect(metadataOf(asyncOf())).not.toBe(metadataOf(asyncOf()));
    expect(metadataOf(mfa)).toBe(metadataOf(mfa));
  });

  it('is refused when its module is loaded lazily', async () => {
    const { app, close } = await boot([mfaOf()]);
    const loading = app.get(LazyModuleLoader).load(() => within([mfaOf()]));
    await expect(loading).rejects.toThrow('imported 2 times');
    await close();
  });

  it('is accepted where two modules import the same constant, also lazily', async () => {
    const mfa = mfaOf({ isGlobal: false });

    @Module({ imports: [mfa], controllers: [InsideController] })
    class Feature {}

    const { app, close } = await boot([mfa, Feature, within([mfa])]);
    await request(app.getHttpServer()).get('/inside').expect(200);
    await app.get(LazyModuleLoader).load(() => within([mfa]));
    await close();
  });

  it('is accepted where a module re-exports the first one, also as a dynamic module', async () => {
    @Module({})
    class AuthModule {
      static register(): DynamicModule {
        return { module: AuthModule, imports: [mfaOf({ isGlobal: false })], exports: [MfaModule] };
      }
    }

    @Module({ imports: [AuthModule.register()], controllers: [InsideController] })
    class Feature {}

    const { app, close } = await boot([Feature]);
    await request(app.getHttpServer()).get('/inside').expect(200);
    await close();
  });

  it('is accepted in another application of the process, at the same time or later', async () => {
    const apps = await Promise.all([boot([mfaOf()]), boot([asyncOf()])]);
    for (let count = 0; count < 5; count++) await (await boot([mfaOf()])).close();
    for (const { app, close } of apps) {
      await request(app.getHttpServer()).get('/mfa/status').expect(200);
      await close();
    }
  });

  it('is not assumed below RouterModule, which names the class', async () => {
    const router = RouterModule.register([{ path: 'account', module: MfaModule }]);
    const { app, close } = await boot([mfaOf(), router]);
    await request(app.getHttpServer()).get('/account/mfa/status').expect(200);
    await close();
  });
});

describe('S75 `imports: [MfaModule]` without options', () => {
  const bare: [string, () => Imports, Type[]][] = [
    ['alone', () => [MfaModule], []],
    ['alone, where a login injects a service', () => [MfaModule], [Login]],
    ['in the module of such a login', () => [within([MfaModule])], [Login]],
    ['beside forRoot', () => [mfaOf(), within([MfaModule])], [Login]],
  ];

  it.each(bare)('%s ends the boot and names the remedy', async (_, imports, providers) => {
    const refusal = await boot(imports(), providers).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'MFA_MISCONFIGURED' });
    expect((refusal as Error).message).toMatch(/`imports: \[MfaModule\]` has no options\. Import `MfaModule\.forRoot/);
  });

  it('is refused when it is loaded lazily', async () => {
    const { app, close } = await boot([]);
    await expect(app.get(LazyModuleLoader).load(() => MfaModule)).rejects.toThrow('has no options');
    await close();
  });
});
