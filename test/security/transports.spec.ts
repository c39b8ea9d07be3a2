import { Controller, Injectable, UseGuards, type ExecutionContext } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ClientProxyFactory, MessagePattern, Transport, type ClientProxy } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { firstValueFrom, timeout } from 'rxjs';
import { afterEach, describe, expect, it } from 'vitest';
import { MfaGuard, RequireMfa } from 'nestjs-mfa';
import { FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';
import { freePort } from '../support/ports.js';
import { askGateway } from '../support/web-socket.js';

@Injectable()
class HttpOnlyHost extends TestHost {
  override principal(context: ExecutionContext) {
    return context.getType() === 'http' ? super.principal(context) : null;
  }
}

@Controller()
class Patterns {
  @MessagePattern('unmarked')
  unmarked() {
    return 'confidential';
  }

  @MessagePattern('marked')
  @RequireMfa()
  marked() {
    return 'confidential';
  }
}

@WebSocketGateway({ path: '/ws' })
class Gateway {
  @SubscribeMessage('unmarked')
  unmarked() {
    return { event: 'reply', data: 'confidential' };
  }

  @SubscribeMessage('marked')
  @UseGuards(MfaGuard)
  marked() {
    return { event: 'reply', data: 'confidential' };
  }
}

const REFUSED = { statusCode: 401, code: 'MFA_NOT_AUTHENTICATED', message: 'Sign in first.', error: 'Unauthorized' };

describe('MfaGuard as APP_GUARD of a hybrid application', () => {
  let host: HostApp;
  let client: ClientProxy;
  afterEach(async () => {
    await client.close();
    await host.close();
  });

  /** What four handlers send to a caller who is not signed in. */
  async function outcome(inheritAppConfig: boolean) {
    const options = { host: '127.0.0.1', port: await freePort() };
    host = await startHostApp({
      host: HttpOnlyHost,
      controllers: [Patterns],
      providers: [Gateway, { provide: APP_GUARD, useExisting: MfaGuard }],
      options: FEW_CODES,
      configure: (app) => {
        app.useWebSocketAdapter(new WsAdapter(app));
        app.connectMicroservice({ transport: Transport.TCP, options }, { inheritAppConfig });
      },
    });
    await host.app.startAllMicroservices();
    client = ClientProxyFactory.create({ transport: Transport.TCP, options });
    const send = (pattern: string) =>
      firstValueFrom(client.send<unknown>(pattern, {}).pipe(timeout(5_000))).then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
    return {
      rpcUnmarked: await send('unmarked'),
      rpcMarked: await send('marked'),
      wsUnmarked: await askGateway(host, '/ws', 'unmarked'),
      wsMarked: await askGateway(host, '/ws', 'marked'),
    };
  }

  it('S68 refuses RPC handlers and gateways with inheritAppConfig', async () => {
    expect(await outcome(true)).toEqual({
      rpcUnmarked: { error: REFUSED },
      rpcMarked: { error: REFUSED },
      wsUnmarked: { event: 'exception', data: REFUSED },
      wsMarked: { event: 'exception', data: REFUSED },
    });
  });

  it('S68 leaves unmarked RPC handlers alone without inheritAppConfig, as Nest does, and refuses the others', async () => {
    expect(await outcome(false)).toEqual({
      rpcUnmarked: { value: 'confidential' },
      rpcMarked: { error: REFUSED },
      wsUnmarked: { event: 'exception', data: REFUSED },
      wsMarked: { event: 'exception', data: REFUSED },
    });
  });
});
