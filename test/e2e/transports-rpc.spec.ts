import { Controller, Scope, UseFilters, UseGuards } from '@nestjs/common';
import {
  ClientProxyFactory,
  EventPattern,
  MessagePattern,
  Payload,
  Transport,
  type ClientProxy,
} from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom, of, timeout } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaExceptionFilter, MfaGuard, MfaVerificationService, RequireMfa, TotpService } from 'nestjs-mfa';
import { AnyTransportHost } from '../support/any-transport-host.js';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { freePort } from '../support/ports.js';

const events: unknown[] = [];

@Controller()
@UseGuards(MfaGuard)
class GuardedController {
  @MessagePattern('guarded.value')
  value() {
    return 'confidential';
  }

  @MessagePattern('guarded.stream')
  stream() {
    return of('confidential', 'confidential');
  }

  @EventPattern('guarded.event')
  event(@Payload() data: unknown) {
    events.push(data);
  }

  @MessagePattern('guarded.filtered')
  @UseFilters(MfaExceptionFilter)
  filtered() {
    return 'confidential';
  }
}

@Controller({ scope: Scope.REQUEST })
class ScopedController {
  constructor(private readonly totp: TotpService) {}

  @MessagePattern('scoped')
  @RequireMfa()
  scoped() {
    return this.totp.currentStep(0);
  }
}

interface Guess {
  userId: string;
  code: string;
}

@Controller()
class ServicesController {
  constructor(
    private readonly verification: MfaVerificationService,
    private readonly totp: TotpService,
  ) {}

  @MessagePattern('services.bare')
  bare(@Payload() { userId, code }: Guess) {
    return this.verification.stepUp(userId, { code });
  }

  @MessagePattern('services.filtered')
  @UseFilters(MfaExceptionFilter)
  filtered(@Payload() { userId, code }: Guess) {
    return this.verification.stepUp(userId, { code });
  }

  @MessagePattern('services.synchronous')
  @UseFilters(MfaExceptionFilter)
  synchronous() {
    return this.totp.otpauthUri('A'.repeat(32), '');
  }
}

const controllers = [GuardedController, ScopedController, ServicesController];

describe('S68 a microservice handler, asked by a ClientProxy', () => {
  let host: HostApp;
  let client: ClientProxy;

  beforeAll(async () => {
    const options = { host: '127.0.0.1', port: await freePort() };
    host = await startHostApp({
      host: AnyTransportHost,
      controllers,
      options: FEW_CODES,
      configure: (app) => void app.connectMicroservice({ transport: Transport.TCP, options }),
    });
    await host.app.startAllMicroservices();
    client = ClientProxyFactory.create({ transport: Transport.TCP, options });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(async () => {
    await client.close();
    await host.close();
  });

  const send = (pattern: string, data: object = {}) =>
    lastValueFrom(client.send<unknown>(pattern, data).pipe(timeout(5_000))).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
  const session = (factor: object) => ({ session: host.state.signIn('rpc', factor) });
  const secondFactor = () => ({ mfaAt: new Date(host.clock.nowMs()), amr: ['pwd', 'mfa'] });
  const refused = (code: string) => ({ error: expect.objectContaining({ statusCode: 401, code }) as unknown });

  it.each(['guarded.value', 'guarded.stream', 'guarded.filtered', 'scoped'])(
    'S68 %s refuses with the code, and returns its value after a second factor',
    async (pattern) => {
      expect(await send(pattern)).toEqual({
        error: { statusCode: 401, code: 'MFA_NOT_AUTHENTICATED', message: 'Sign in first.', error: 'Unauthorized' },
      });
      const { value } = (await send(pattern, session(secondFactor()))) as { value: unknown };
      expect(value).toBe(pattern === 'scoped' ? 0 : 'confidential');
    },
  );

  it('S68 an event handler does not run when it is refused, and the process continues', async () => {
    await firstValueFrom(client.emit('guarded.event', {}), { defaultValue: null });
    const allowed = session(secondFactor());
    await firstValueFrom(client.emit('guarded.event', allowed), { defaultValue: null });
    await vi.waitFor(() => expect(events).toEqual([allowed]));
  });

  it('S68 returns a wrong code as an error, with its code where MfaExceptionFilter is bound', async () => {
    await new Client(host, 'guessed').enroll();
    const guess = { userId: 'guessed', code: '000000' };
    expect(await send('services.bare', guess)).toEqual({
      error: { status: 'error', message: 'Internal server error' },
    });
    expect(await send('services.filtered', guess)).toEqual(refused('MFA_CODE_REJECTED'));
    expect(await send('services.synchronous')).toMatchObject({ error: { statusCode: 400, code: 'MFA_BAD_REQUEST' } });
  });

  it.each<[string, () => unknown]>([
    ['throws an error', () => fail(new Error('the session store is down'))],
    ['throws undefined', () => fail(undefined)],
    ['throws null', () => fail(null)],
    ['throws text', () => fail('no')],
    ['rejects with undefined', () => Promise.reject<unknown>(undefined)],
    ['returns undefined', () => undefined],
    ['returns an empty object', () => ({})],
  ])('S45 a principal() that %s is refused', async (_, principal) => {
    vi.spyOn(AnyTransportHost.prototype, 'principal').mockImplementation(principal as never);
    for (const pattern of ['guarded.value', 'guarded.stream', 'scoped']) {
      const result = await send(pattern, session(secondFactor()));
      expect(result).toHaveProperty('error');
      expect(JSON.stringify(result)).not.toMatch(/confidential|session store/);
    }
  });
});

function fail(error: unknown): never {
  throw error;
}
