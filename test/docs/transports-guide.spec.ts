import { join } from 'node:path';
import { Injectable, type ExecutionContext, type Type } from '@nestjs/common';
import { ClientProxyFactory, Transport, type ClientProxy } from '@nestjs/microservices';
import { WsAdapter } from '@nestjs/platform-ws';
import { lastValueFrom, timeout } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MfaPrincipal } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';
import { freePort } from '../support/ports.js';
import { askGateway } from '../support/web-socket.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, read } from './markdown.js';

interface Handshaken {
  handshake: { auth: { token?: string | undefined } };
}

/** Gives the clients of `ws` the handshake of Socket.IO, for which the guide is written. */
class HandshakeAdapter extends WsAdapter {
  override bindClientConnect(server: never, callback: (...given: never[]) => void): void {
    super.bindClientConnect(server, ((client: Handshaken, request: { url: string }) => {
      const token = new URL(request.url, 'ws://localhost').searchParams.get('token') ?? undefined;
      client.handshake = { auth: { token } };
      callback(client as never, request as never);
    }) as never);
  }
}

describe('the code of the guide about WebSockets and microservices', () => {
  let example: Example;
  let host: HostApp;
  let client: ClientProxy;

  beforeAll(async () => {
    example = await writeExample(codeFiles(read('docs/guides/websockets-and-microservices.md')));
    const load = <T>(file: string) => import(join(example.folder, 'src/guides', file)) as Promise<T>;
    const { TransportsHost } = await load<{ TransportsHost: typeof TestHost }>('transports-host.ts');
    const { PayoutsGateway } = await load<Record<string, Type>>('payouts.gateway.ts');
    const { SignInHandlers } = await load<Record<string, Type>>('sign-in.handlers.ts');

    @Injectable()
    class GuideHost extends TestHost {
      override principal(context: ExecutionContext): MfaPrincipal | null {
        const { sessions } = this.auth.state;
        const tokens = {
          read: (token: string) => {
            const session = sessions.get(token);
            return session ? { ...session, accountName: session.userId } : null;
          },
        };
        return TransportsHost.prototype.principal.call({ tokens } as never, context);
      }
    }

    const options = { host: '127.0.0.1', port: await freePort() };
    host = await startHostApp({
      host: GuideHost,
      controllers: [SignInHandlers!],
      providers: [PayoutsGateway!],
      options: FEW_CODES,
      configure: (app) => {
        app.useWebSocketAdapter(new HandshakeAdapter(app));
        app.connectMicroservice({ transport: Transport.TCP, options });
      },
    });
    await host.app.startAllMicroservices();
    client = ClientProxyFactory.create({ transport: Transport.TCP, options });
  });
  afterAll(async () => {
    await client.close();
    await host.close();
    await example.remove();
  });

  const signIn = (userId: string, ageMs = 0) =>
    host.state.signIn(userId, { mfaAt: new Date(host.clock.nowMs() - ageMs), amr: ['pwd', 'mfa'] });
  const send = (pattern: string, data: object) =>
    lastValueFrom(client.send<Record<string, unknown>>(pattern, data).pipe(timeout(5_000)));
  const refusal = (code: string) => expect.objectContaining({ statusCode: 401, code }) as unknown;

  it('S68 guards the messages of the gateway by the token of the handshake', async () => {
    await new Client(host, 'ws').enroll();
    expect(await askGateway(host, '/', 'payouts')).toMatchObject({
      event: 'exception',
      data: { code: 'MFA_NOT_AUTHENTICATED' },
    });
    expect(await askGateway(host, `/?token=${signIn('ws')}`, 'payouts')).toEqual({
      event: 'payouts',
      data: { of: 'ws' },
    });
    const stale = `/?token=${signIn('ws', 600_000)}`;
    expect(await askGateway(host, stale, 'transfer', { amount: 5 })).toMatchObject({
      event: 'exception',
      data: { code: 'MFA_STEP_UP_REQUIRED' },
    });
    expect(await askGateway(host, `/?token=${signIn('ws')}`, 'transfer', { amount: 5 })).toEqual({
      event: 'transferred',
      data: 5,
    });
  });

  it('S27 S68 signs in over the microservice once, and guards its handlers', async () => {
    const { authenticator } = await new Client(host, 'rpc').enroll();
    const { mfa_token } = await send('mfa.issue', { userId: 'rpc' });
    const proof = { mfa_token, code: authenticator.code() };
    await expect(send('mfa.verify', { mfa_token, code: '000000' })).rejects.toEqual(refusal('MFA_CODE_REJECTED'));
    expect(await send('mfa.verify', proof)).toMatchObject({
      mfaRequired: false,
      login: { userId: 'rpc', amr: ['pwd', 'otp', 'mfa'], mfaAt: expect.any(String) },
    });
    await expect(send('mfa.verify', proof)).rejects.toEqual(refusal('MFA_TOKEN_INVALID'));
    await expect(send('payouts.approve', {})).rejects.toEqual(refusal('MFA_NOT_AUTHENTICATED'));
    expect(await send('payouts.approve', { token: signIn('rpc') })).toEqual({ approved: true });
  });
});
