import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import {
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { map, of, tap, type Observable } from 'rxjs';
import request from 'supertest';
import { describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

/** Caches every success by its URL, whatever the method and the user are. */
@Injectable()
class CacheEverything implements NestInterceptor {
  private readonly seen = new Map<string, unknown>();
  hits = 0;

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { url } = context.switchToHttp().getRequest<{ url: string }>();
    if (this.seen.has(url)) {
      this.hits += 1;
      return of(this.seen.get(url));
    }
    return next.handle().pipe(tap((body) => void this.seen.set(url, body)));
  }
}

@Injectable()
class Wrap implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((data: unknown) => ({ data })));
  }
}

describe.each(ADAPTERS)('caches of the host over %s', (adapter) => {
  const startCached = (configure?: (app: INestApplication) => void) =>
    startHostApp({
      adapter,
      options: FEW_CODES,
      imports: [CacheModule.register({ ttl: 60_000 })],
      providers: [{ provide: APP_INTERCEPTOR, useClass: CacheInterceptor }],
      configure,
    });
  const enabledOf = async (user: Client) => (await user.get('/mfa/status').expect(200)).body.enabled as boolean;
  const twoUsers = async (host: HostApp) => {
    const [ann, bob] = [new Client(host, 'ann'), new Client(host, 'bob')];
    await ann.enroll();
    return [ann, bob] as const;
  };

  it('S69 the CacheInterceptor of Nest serves neither the status of another user nor an old status', async () => {
    const host = await startCached();
    const [ann, bob] = await twoUsers(host);
    expect([await enabledOf(ann), await enabledOf(bob), await enabledOf(ann)]).toEqual([true, false, true]);
    await bob.enroll();
    expect(await enabledOf(bob)).toBe(true);
    await new Client(host, 'ann', 'nobody').get('/mfa/status').expect(401);
    await host.close();
  });

  it('S69 the CacheInterceptor of Nest never serves the challenge of another user', async () => {
    const host = await startCached();
    const [ann] = await twoUsers(host);
    const token = await ann.login();
    const challenge = (mfa_token: string) => request(ann.server).get('/mfa/challenge').set('x-mfa-token', mfa_token);
    await challenge(token).expect(200);
    await challenge('nonsense').expect(401, /MFA_TOKEN_INVALID/);
    host.clock.advance(100);
    const first = await challenge(token).expect(200);
    const second = await challenge(await ann.login()).expect(200);
    expect(second.body.expiresIn).toBeGreaterThanOrEqual(first.body.expiresIn as number);
    expect(second.headers['x-cache']).toBe('MISS');
    await host.close();
  });

  it('S69 the CacheInterceptor stores nothing, so that a wrapping interceptor around it still wraps', async () => {
    const host = await startCached((app) => void app.useGlobalInterceptors(new Wrap()));
    const user = new Client(host, 'wrapped');
    for (let round = 0; round < 3; round += 1) {
      const { body, headers } = await user.get('/mfa/status').expect(200);
      expect(body.data ?? body).toMatchObject({ enabled: false });
      expect(body).toHaveProperty('data');
      expect(headers['x-cache']).toBe('MISS');
    }
    await host.close();
  });

  it('S69 a cache that uses only the URL as key never serves the response of another user', async () => {
    const cache = new CacheEverything();
    const host = await startHostApp({
      adapter,
      options: FEW_CODES,
      configure: (app) => void app.useGlobalInterceptors(cache),
    });
    const [ann, bob] = [new Client(host, 'ann'), new Client(host, 'bob')];
    expect((await ann.post('/mfa/totp/setup', { password: PASSWORD }).expect(200)).body).toHaveProperty('secret');
    expect(await enabledOf(ann)).toBe(false);
    // A read is done for its own user.
    const first = await ann.get('/mfa/status').expect(200);
    expect(first.body.pendingSetup).toBe(true);
    const own = await bob.get('/mfa/status').expect(200);
    expect(own.body.pendingSetup).toBe(false);
    expect(own.headers['content-type']).toContain('application/json');
    // What changes something is refused, and the log names the remedy.
    const refused = await bob.post('/mfa/totp/setup', { password: PASSWORD }).expect(500);
    expect(refused.body).toMatchObject({ statusCode: 500, code: 'MFA_MISCONFIGURED' });
    expect((await bob.get('/mfa/status')).body.pendingSetup).toBe(false);
    expect(cache.hits).toBeGreaterThan(3);
    await host.close();
  });

  it('S69 an error of the repeated read reaches only the user of that request', async () => {
    const cache = new CacheEverything();
    const host = await startHostApp({
      adapter,
      options: FEW_CODES,
      configure: (app) => void app.useGlobalInterceptors(cache),
    });
    const user = new Client(host, 'failing');
    await user.get('/mfa/status').expect(200);
    await host.dataSource.query('ALTER TABLE mfa_account RENAME TO away');
    const failed = await user.get('/mfa/status');
    expect(failed.status).toBeGreaterThanOrEqual(500);
    expect(failed.body).not.toHaveProperty('enabled');
    await host.dataSource.query('ALTER TABLE away RENAME TO mfa_account');
    expect(await enabledOf(user)).toBe(false);
    await host.close();
  });
});
