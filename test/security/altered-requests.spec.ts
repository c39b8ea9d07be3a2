import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaChallengeService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

/** Writes requests to a log, and redacts them in place for it. */
@Injectable()
class RedactingInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    const request = context
      .switchToHttp()
      .getRequest<{ body?: Record<string, unknown>; params: Record<string, string> }>();
    for (const field of Object.keys(request.body ?? {})) request.body![field] = '***';
    for (const name of Object.keys(request.params)) request.params[name] = '***';
    return next.handle();
  }
}

/** Replaces the body by one of its own. */
@Injectable()
class ReplacingInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler) {
    context.switchToHttp().getRequest<{ body?: unknown }>().body = {};
    return next.handle();
  }
}

describe.each(ADAPTERS)('requests over %s that an interceptor of the host alters', (adapter) => {
  describe.each([RedactingInterceptor, ReplacingInterceptor])('%o', (interceptor) => {
    let host: HostApp;
    beforeAll(async () => {
      host = await startHostApp({
        adapter,
        options: FEW_CODES,
        providers: [{ provide: APP_INTERCEPTOR, useClass: interceptor }],
      });
    });
    afterAll(() => host.close());

    it('S69 are read as the client sent them', async () => {
      const ann = new Client(host, 'ann');
      const { authenticator, id } = await ann.enroll();
      await ann.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
      host.clock.advance(30);
      const renamed = await ann.patch(`/mfa/authenticators/${id}`, { name: 'blue phone' }).expect(200);
      expect(renamed.body).toMatchObject({ id, name: 'blue phone' });
      const challenge = await host.app.get(MfaChallengeService).issue('ann');
      await ann.verify(challenge.mfaRequired && challenge.mfa_token, authenticator.code()).expect(200);
      host.clock.advance(30);
      await ann.post(`/mfa/authenticators/${id}/remove`, { code: authenticator.code() }).expect(200);
      await ann.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    });
  });
});
