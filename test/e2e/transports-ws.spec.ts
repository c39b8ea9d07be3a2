import { UseFilters, UseGuards } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { of } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaExceptionFilter, MfaGuard, MfaVerificationService, RequireMfa } from 'nestjs-mfa';
import { AnyTransportHost } from '../support/any-transport-host.js';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { askGateway } from '../support/web-socket.js';

interface Guess {
  userId: string;
  code: string;
}

@WebSocketGateway({ path: '/guarded' })
@UseGuards(MfaGuard)
class GuardedGateway {
  @SubscribeMessage('value')
  value() {
    return { event: 'reply', data: 'confidential' };
  }

  @SubscribeMessage('stream')
  stream() {
    return of({ event: 'reply', data: 'confidential' });
  }

  @SubscribeMessage('filtered')
  @UseFilters(MfaExceptionFilter)
  filtered() {
    return { event: 'reply', data: 'confidential' };
  }
}

@WebSocketGateway({ path: '/services' })
class ServicesGateway {
  constructor(private readonly verification: MfaVerificationService) {}

  @SubscribeMessage('marked')
  @RequireMfa({ maxAgeSeconds: 60 })
  marked() {
    return { event: 'reply', data: 'confidential' };
  }

  @SubscribeMessage('bare')
  bare(@MessageBody() { userId, code }: Guess) {
    return this.verification.stepUp(userId, { code });
  }

  @SubscribeMessage('filtered')
  @UseFilters(MfaExceptionFilter)
  filtered(@MessageBody() { userId, code }: Guess) {
    return this.verification.stepUp(userId, { code });
  }
}

describe('S68 a WebSocket gateway', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({
      host: AnyTransportHost,
      providers: [GuardedGateway, ServicesGateway],
      options: FEW_CODES,
      configure: (app) => app.useWebSocketAdapter(new WsAdapter(app)),
    });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  const NOT_SIGNED_IN = {
    event: 'exception',
    data: { statusCode: 401, code: 'MFA_NOT_AUTHENTICATED', message: 'Sign in first.', error: 'Unauthorized' },
  };
  const session = (ageMs = 0) => ({
    session: host.state.signIn('ws', { mfaAt: new Date(host.clock.nowMs() - ageMs), amr: ['pwd', 'mfa'] }),
  });

  it.each([
    ['/guarded', 'value'],
    ['/guarded', 'stream'],
    ['/guarded', 'filtered'],
    ['/services', 'marked'],
  ])('S68 %s %s sends the refusal as an exception, and its value after a second factor', async (path, event) => {
    expect(await askGateway(host, path, event)).toEqual(NOT_SIGNED_IN);
    expect(await askGateway(host, path, event, session())).toEqual({ event: 'reply', data: 'confidential' });
  });

  it('S68 sends a wrong code as an exception, with its code where MfaExceptionFilter is bound', async () => {
    await new Client(host, 'guessed').enroll();
    const guess = { userId: 'guessed', code: '000000' };
    expect(await askGateway(host, '/services', 'bare', guess)).toMatchObject({
      event: 'exception',
      data: { message: 'Internal server error' },
    });
    expect(await askGateway(host, '/services', 'filtered', guess)).toMatchObject({
      event: 'exception',
      data: { statusCode: 401, code: 'MFA_CODE_REJECTED' },
    });
  });

  it.each<[string, () => unknown]>([
    ['rejects with an error', () => Promise.reject(new Error('the session store is down'))],
    ['rejects with undefined', () => Promise.reject<unknown>(undefined)],
    ['returns undefined', () => undefined],
  ])('S45 a principal() that %s is refused', async (_, principal) => {
    vi.spyOn(AnyTransportHost.prototype, 'principal').mockImplementation(principal as never);
    const reply = await askGateway(host, '/guarded', 'value', session());
    expect(reply).toMatchObject({ event: 'exception' });
    expect(JSON.stringify(reply)).not.toMatch(/confidential|session store/);
  });
});
