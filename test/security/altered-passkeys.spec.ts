import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { ADAPTERS, FEW_CODES, startHostApp, type HostAppSetup } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

interface Body {
  passkey?: { id?: string; response: Record<string, unknown> };
}

/** What a host may do to a body that it writes to a log. */
const ALTERATIONS: [string, (body: Body) => void][] = [
  ['redacts the passkey', (body) => void (body.passkey = '***' as never)],
  ['removes the passkey', (body) => void delete body.passkey],
  ['redacts the fields of the response in place', ({ passkey }) => redact(passkey!.response)],
  ['empties the lists of the response in place', ({ passkey }) => emptyLists(passkey!.response)],
  ['replaces the response', ({ passkey }) => void (passkey!.response = {})],
  ['gives the passkey another id', ({ passkey }) => void (passkey!.id = 'AAAA')],
  ['makes the passkey inherit', ({ passkey }) => void Object.setPrototypeOf(passkey!.response, { signature: 'AAAA' })],
];

function redact(response: Record<string, unknown>): void {
  for (const name of Object.keys(response)) response[name] = '***';
}

function emptyLists(response: Record<string, unknown>): void {
  for (const value of Object.values(response)) if (Array.isArray(value)) value.fill(7);
}

const bodyOf = (context: ExecutionContext) => context.switchToHttp().getRequest<{ body?: Body }>().body;

function interceptorThat(alter: (body: Body) => void): HostAppSetup {
  @Injectable()
  class Altering implements NestInterceptor {
    intercept(context: ExecutionContext, next: CallHandler) {
      const body = bodyOf(context);
      if (body?.passkey) alter(body);
      return next.handle();
    }
  }
  return { providers: [{ provide: APP_INTERCEPTOR, useClass: Altering }] };
}

/** It waits until the response has its first header. The guards of the routes set it. */
function middlewareThat(alter: (body: Body) => void): HostAppSetup {
  type Response = { setHeader(...header: unknown[]): unknown };
  const wait = ({ body }: { body?: Body }, response: Response, next: () => void) => {
    const set = response.setHeader.bind(response);
    response.setHeader = (...header) => {
      if (header[0] === 'Cache-Control' && body?.passkey) alter(body);
      return set(...header);
    };
    next();
  };
  return { configure: (app) => void app.use(wait) };
}

/** Registers, signs in, steps up, proves a change and removes, each by a passkey. */
async function walk(setup: HostAppSetup): Promise<void> {
  const host = await startHostApp({ ...setup, options: { ...PASSKEYS, ...FEW_CODES } });
  const user = new PasskeyClient(host, 'ann');
  const [key, spare] = [newKey(), newKey()];
  await user.addPasskey(key);
  await user.addPasskey(spare, { passkey: await user.prove(key) });
  expect((await user.signInByPasskey(spare)).status).toBe(200);
  await user.post('/mfa/step-up', { passkey: await user.prove(key, 'step-up') }).expect(200);
  await user.post('/mfa/backup-codes/regenerate', { passkey: await user.prove(key) }).expect(200);
  const { options } = await user.startPasskeyLogin();
  const { allowCredentials } = options as { allowCredentials: object[] };
  expect(allowCredentials).toMatchObject([{ transports: ['usb'] }, { transports: ['usb'] }]);
  const [{ id }] = (await user.get('/mfa/status')).body.authenticators;
  await user.post(`/mfa/authenticators/${id}/remove`, { passkey: await user.prove(spare) }).expect(200);
  await host.close();
}

describe.each(ADAPTERS)('passkey responses over %s that the host alters after the guards', (adapter) => {
  it.each(ALTERATIONS)('S69 are verified as they were sent: an interceptor that %s changes nothing', (_, alter) =>
    walk({ adapter, ...interceptorThat(alter) }),
  );

  it.each([
    ['replaces every passkey', () => ({ passkey: {}, userId: 'somebody else' })],
    ['removes every passkey', () => undefined],
    ['alters every passkey in place', (body: Body) => (redact(body.passkey!.response), body)],
  ])('S69 are verified as they were sent: a pipe that %s changes nothing', (_, alter) => {
    const transform = (body?: Body) => (body?.passkey ? alter(body) : body);
    return walk({ adapter, providers: [{ provide: APP_PIPE, useValue: { transform } }] });
  });

  it('S69 are refused as they were sent, though an interceptor puts a right response in place of a forged one', async () => {
    let right: unknown;
    const host = await startHostApp({
      adapter,
      options: { ...PASSKEYS, ...FEW_CODES },
      ...interceptorThat((body) => right && Object.assign(body.passkey!, structuredClone(right))),
    });
    const user = new PasskeyClient(host, 'ann');
    const key = newKey();
    await user.addPasskey(key);
    const { mfa_token, options } = await user.startPasskeyLogin();
    const forged = key.get(options, { badSignature: true });
    right = key.get(options);
    await user.verifyPasskey(mfa_token, forged).expect(401, /MFA_CODE_REJECTED/);
    const stepUp = await user.prove(key, 'step-up');
    right = stepUp;
    await user.post('/mfa/step-up', { passkey: { ...stepUp, rawId: 'AAAA' } }).expect(401, /MFA_CODE_REJECTED/);
    await user.post('/mfa/step-up', { passkey: stepUp }).expect(200);
    await host.close();
  });
});

describe('passkey responses that middleware of the host alters after the guards', () => {
  it.each(ALTERATIONS)('S69 are verified as they were sent: middleware that %s changes nothing', (_, alter) =>
    walk(middlewareThat(alter)),
  );
});
