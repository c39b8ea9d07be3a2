import {
  Injectable,
  SetMetadata,
  UseInterceptors,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_GUARD, Reflector } from '@nestjs/core';
import { tap } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';

const ROUTES: [method: 'get' | 'post' | 'patch', path: string][] = [
  ['get', '/mfa/status'],
  ['post', '/mfa/totp/setup'],
  ['post', '/mfa/totp/confirm'],
  ['post', '/mfa/verify'],
  ['post', '/mfa/step-up'],
  ['post', '/mfa/backup-codes/regenerate'],
  ['patch', '/mfa/authenticators/none'],
  ['post', '/mfa/authenticators/none/remove'],
  ['post', '/mfa/disable'],
];

/** Passes what is marked `public`, and records what the routes are marked with. */
@Injectable()
class SessionGuard implements CanActivate {
  static readonly marks = new Map<string, unknown[]>();

  constructor(private readonly reflector: Reflector) {}

  canActivate(context: ExecutionContext): boolean {
    const { url, headers } = context.switchToHttp().getRequest<{ url: string; headers: Record<string, string> }>();
    const marks = ['public', 'first', 'second'].map((key) => this.reflector.get<unknown>(key, context.getHandler()));
    SessionGuard.marks.set(url, marks);
    return !url.startsWith('/mfa') || marks[0] === true || headers.authorization !== undefined;
  }
}

@Injectable()
class Counting implements NestInterceptor {
  static count = 0;

  intercept(_: ExecutionContext, next: CallHandler) {
    return next.handle().pipe(tap(() => Counting.count++));
  }
}

const calls: unknown[] = [];

/** Wraps the method, as decorators for transactions or tracing do. */
const Traced: MethodDecorator = (_, name, descriptor) => {
  const original = descriptor.value as (...args: unknown[]) => unknown;
  const traced = function (this: unknown, ...args: unknown[]) {
    calls.push(name);
    return original.apply(this, args);
  };
  return { ...descriptor, value: traced as never };
};

describe.each(ADAPTERS)('http.decorators and http.publicDecorators on %s', (adapter) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({
      adapter,
      options: {
        ...FEW_CODES,
        http: {
          publicDecorators: [SetMetadata('public', true)],
          decorators: [SetMetadata('first', 1), SetMetadata('second', 2), UseInterceptors(Counting), Traced],
        },
      },
      providers: [{ provide: APP_GUARD, useClass: SessionGuard }],
    });
  });
  afterAll(() => host.close());

  it('apply publicDecorators to the routes that also work without a session, and decorators to all', async () => {
    SessionGuard.marks.clear();
    for (const [method, path] of ROUTES) await new Client(host, 'marks')[method](path, {});
    const isPublic = (path: string) => /verify|setup|confirm/.test(path);
    const expected = ROUTES.map(([, path]) => [path, [isPublic(path) ? true : undefined, 1, 2]]);
    expect(Object.fromEntries(SessionGuard.marks)).toMatchObject(Object.fromEntries(expected) as object);
  });

  it('keep route, guard and parameters of a method that a decorator wraps', async () => {
    Counting.count = 0;
    calls.length = 0;
    const user = new Client(host, 'wrapped');
    const { authenticator } = await user.enroll();
    await user.verify(await user.login(), authenticator.code()).expect(200);
    expect(calls).toEqual(['setup', 'confirm', 'verify']);
    expect(Counting.count).toBe(3);
    await user.verify('not-a-token', '123456').expect(401, /MFA_TOKEN_INVALID/);
    expect(calls).toHaveLength(3);
  });
});

it.each([{}, null, undefined, { prefix: null, decorators: null, publicDecorators: undefined }])(
  'http: %j uses the defaults',
  async (http) => {
    const host = await startHostApp({ options: { ...FEW_CODES, http } });
    await new Client(host, 'defaults').get('/mfa/status').expect(200);
    await host.close();
  },
);

it('http: false mounts no built-in route', async () => {
  const host = await startHostApp({ options: { ...FEW_CODES, http: false } });
  await new Client(host, 'none').get('/mfa/status').expect(404);
  await host.close();
});
