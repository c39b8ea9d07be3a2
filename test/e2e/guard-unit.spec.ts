import {
  Controller,
  Get,
  Global,
  Module,
  Param,
  ParseIntPipe,
  ValidationPipe,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { of } from 'rxjs';
import request from 'supertest';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CurrentPrincipal, MfaContext, MfaGuard, RequireMfa, SkipMfa, type MfaPrincipal } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, TestHost } from '../support/host-app.js';
import { capturingLogger } from '../support/log-capture.js';

@Controller('billing')
class BillingController {
  @Get()
  @RequireMfa()
  list() {
    return { bills: [] };
  }

  @Get('mine')
  @SkipMfa()
  mine(@CurrentPrincipal() { userId }: MfaPrincipal) {
    return { userId };
  }
}

describe('a unit test of a controller with @RequireMfa()', () => {
  let close: () => Promise<void> = async () => undefined;
  afterEach(() => close());

  async function get(path: string, override = (builder: TestingModuleBuilder) => builder, providers: object[] = []) {
    const builder = Test.createTestingModule({ controllers: [BillingController], providers: providers as never });
    const app = (await override(builder).compile()).createNestApplication({ logger: capturingLogger });
    await app.init();
    close = () => app.close();
    return request(app.getHttpServer() as Parameters<typeof request>[0]).get(path);
  }

  it('S45 compiles without MfaModule, and the guard denies access with an error that names the missing module', async () => {
    for (const path of ['/billing', '/billing/mine']) {
      const { status, body } = await get(path);
      expect([status, body.code]).toEqual([500, 'MFA_MISCONFIGURED']);
      expect(body.message).toMatch(/does not import MfaModule.*overrideGuard\(MfaGuard\)/);
      await close();
    }
  });

  it('calls the methods of the controller directly', async () => {
    const module = await Test.createTestingModule({ controllers: [BillingController] }).compile();
    expect(module.get(BillingController).list()).toEqual({ bills: [] });
  });

  it('replaces the guard of the controller by overrideGuard(MfaGuard)', async () => {
    const { status, body } = await get('/billing', (builder) =>
      builder.overrideGuard(MfaGuard).useValue({ canActivate: () => true }),
    );
    expect([status, body]).toEqual([200, { bills: [] }]);
  });
});

@Controller('plain')
class PlainController {
  @Get()
  plain() {
    return { in: true };
  }
}

/** What an application's AppModule has. */
@Global()
@Module({ providers: [{ provide: APP_GUARD, useExisting: MfaGuard }] })
class AppModule {}

describe('MfaGuard as APP_GUARD with useExisting', () => {
  it('guards unmarked routes, and overrideProvider(MfaGuard) replaces it everywhere', async () => {
    const open = { canActivate: () => true };
    const setup = { options: FEW_CODES, controllers: [PlainController], imports: [AppModule] };
    const guarded = await startHostApp(setup);
    await new Client(guarded, 'u').get('/plain').expect(403, /MFA_ENROLLMENT_REQUIRED/);
    await new Client(guarded, 'u').get('/payouts').expect(403);
    await guarded.close();

    const replaced = await startHostApp({
      ...setup,
      override: (builder) => builder.overrideProvider(MfaGuard).useValue(open),
    });
    await new Client(replaced, 'u').get('/plain').expect(200);
    await new Client(replaced, 'u', 'none').get('/payouts').expect(200);
    await replaced.close();

    const closed = await startHostApp({
      ...setup,
      override: (builder) => builder.overrideProvider(MfaGuard).useValue({ canActivate: () => of(false) }),
    });
    await new Client(closed, 'u').get('/payouts').expect(403, /Forbidden resource/);
    await closed.close();
  });
});

/** A class of the host in place of the interface: what `ValidationPipe` would otherwise make of the value. */
class OwnPrincipal {
  userId!: string;
}

@Controller('params')
class ParamsController {
  @Get('principal/:id')
  principal(@Param('id', ParseIntPipe) id: number, @CurrentPrincipal() principal: OwnPrincipal) {
    return { id, userId: principal.userId };
  }

  @Get('context')
  context(@MfaContext() context: ExecutionContext) {
    return { handler: context.getHandler().name, type: context.getType() };
  }
}

describe.each(['express', 'fastify'] as const)('parameters of the own controllers over %s', (adapter) => {
  it('S69 @CurrentPrincipal() and @MfaContext() inject what they name under every global ValidationPipe', async () => {
    for (const options of [undefined, { transform: true, whitelist: true, validateCustomDecorators: true }]) {
      const host = await startHostApp({
        adapter,
        options: FEW_CODES,
        controllers: [ParamsController],
        configure: (app) => options && app.useGlobalPipes(new ValidationPipe(options)),
      });
      const principal = vi.spyOn(TestHost.prototype, 'principal');
      const user = new Client(host, 'ann');
      await user.get('/params/principal/7').expect(200, { id: 7, userId: 'ann' });
      expect(principal).toHaveBeenCalledTimes(1);
      await new Client(host, 'ann', 'none').get('/params/principal/7').expect(401, /MFA_NOT_AUTHENTICATED/);
      await user.get('/params/context').expect(200, { handler: 'context', type: 'http' });
      principal.mockRestore();
      await host.close();
    }
  });
});
