import { Injectable, UseFilters, type INestApplication } from '@nestjs/common';
import { ExternalContextCreator } from '@nestjs/core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaExceptionFilter, MfaVerificationService, RequireMfa } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

/** A bot: not HTTP, and called through the context that Nest makes for such libraries. */
@Injectable()
class Bot {
  constructor(private readonly verification: MfaVerificationService) {}

  @RequireMfa()
  marked() {
    return 'confidential';
  }

  @RequireMfa()
  @UseFilters(MfaExceptionFilter)
  filtered() {
    return 'confidential';
  }

  bare(code: string) {
    return this.verification.stepUp('guessed', { code });
  }

  @UseFilters(MfaExceptionFilter)
  bareFiltered(code: string) {
    return this.verification.stepUp('guessed', { code });
  }
}

type Method = 'marked' | 'filtered' | 'bare' | 'bareFiltered';

const handler = (app: INestApplication, method: Method, type: string) => {
  const bot = app.get(Bot);
  const options = { guards: true, filters: true, interceptors: true };
  return app
    .get(ExternalContextCreator)
    .create(bot, bot[method] as never, method, undefined, undefined, undefined, undefined, options, type as 'http');
};

describe.each(['http', 'telegram'])('S68 a context of ExternalContextCreator of type %s', (type) => {
  let host: HostApp;
  const call = (method: Method, ...args: unknown[]) => handler(host.app, method, type)(...args) as Promise<unknown>;

  beforeAll(async () => {
    host = await startHostApp({ providers: [Bot], options: FEW_CODES });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  it.each<[Method, unknown[]]>([
    ['marked', []],
    ['marked', [{ text: 'hi' }, { chat: 7 }]],
    ['filtered', [{ text: 'hi' }, { chat: 7 }]],
    ['filtered', [undefined, null]],
  ])('S68 %s rejects with the code for the arguments %j', async (method, args) => {
    vi.spyOn(TestHost.prototype, 'principal').mockReturnValue(null);
    await expect(call(method, ...args)).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED', status: 401 });
  });

  it('S68 returns the value after a second factor', async () => {
    const mfaAt = new Date(host.clock.nowMs());
    vi.spyOn(TestHost.prototype, 'principal').mockReturnValue({ userId: 'bot', accountName: 'bot', mfaAt });
    await expect(call('marked', { text: 'hi' })).resolves.toBe('confidential');
  });

  it('S69 caches the principal of requests only', async () => {
    const mfaAt = new Date(host.clock.nowMs());
    const bot = { text: 'shared by all calls' };
    const principal = vi.spyOn(TestHost.prototype, 'principal');
    principal.mockReturnValueOnce({ userId: 'bot', accountName: 'bot', mfaAt }).mockReturnValueOnce(null);
    await expect(call('marked', bot)).resolves.toBe('confidential');
    await expect(call('marked', bot)).rejects.toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });

  it.each<Method>(['bare', 'bareFiltered'])('S68 %s rejects with the code that a service throws', async (method) => {
    if (method === 'bare') await new Client(host, 'guessed').enroll();
    await expect(call(method, '000000')).rejects.toMatchObject({ code: 'MFA_CODE_REJECTED' });
  });

  it.each<[string, () => unknown]>([
    ['rejects with undefined', () => Promise.reject<unknown>(undefined)],
    ['returns undefined', () => undefined],
  ])('S45 a principal() that %s is refused', async (_, principal) => {
    vi.spyOn(TestHost.prototype, 'principal').mockImplementation(principal as never);
    await expect(call('marked', {})).rejects.toBeInstanceOf(Error);
  });
});
