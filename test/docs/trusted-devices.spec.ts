import { join } from 'node:path';
import type { Provider, Type } from '@nestjs/common';
import { MfaAdminService, MfaDeviceService, type MfaCookieResponse, type MfaEvent, type MfaLogin } from 'nestjs-mfa';
import request, { type Response } from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { Browser } from '../support/device-client.js';
import { HostState, startHostApp, TestHost, type HostApp } from '../support/host-app.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, read } from './markdown.js';

interface GuideUser {
  id: string;
  email: string;
  passwordHash: string | null;
}
interface Listed {
  id: string;
  current: boolean;
}
type Send = <T>(method: 'GET' | 'POST', path: string, body?: object) => Promise<T>;
interface Pages {
  verify(send: Send, mfaToken: string | undefined, code: string, remember: boolean): Promise<object>;
  listDevices(send: Send): Promise<Listed[]>;
  revoke(send: Send, id: string): Promise<Listed[]>;
  forgetThisBrowser(send: Send): Promise<void>;
}
type SignIn = (its: object, credentials: object, ask: () => Promise<object>) => Promise<string>;

const DAY = 24 * 60 * 60;
let example: Example;
const load = <T>(file: string) => import(join(example.folder, 'src/guides/devices', file)) as Promise<T>;

beforeAll(async () => {
  example = await writeExample(codeFiles(read('docs/guides/trusted-devices.md')));
});
afterAll(() => example.remove());

describe.each(['express', 'fastify'] as const)('the guide about trusted devices, on %s', (adapter) => {
  let host: HostApp;
  let pages: Pages;
  let signIn: SignIn;
  const users = new Map<string, GuideUser>();
  const mails: string[] = [];

  beforeAll(async () => {
    const { DeviceSignIn, DeviceSessions } = await load<Record<string, Type>>('sign-in.ts');
    const { DeviceLoginController, DeviceFirstFactors } = await load<Record<string, Type>>('login.controller.ts');
    const { DeviceHost } = await load<{ DeviceHost: typeof TestHost }>('device-host.ts');
    const { trustedDevices } = await load<{ trustedDevices: object }>('trusted-devices.option.ts');
    pages = await load<Pages>('device-pages.ts');
    ({ signIn } = await load<{ signIn: SignIn }>('device-app.ts'));

    const sessions = (state: HostState) => ({
      open: async (login: MfaLogin, response: MfaCookieResponse) => {
        const cookie = `session=${state.signIn(login.userId, login)}; Path=/`;
        if (response.setHeader)
          response.setHeader('set-cookie', [response.getHeader('set-cookie') ?? [], cookie].flat().map(String));
        else response.header!('set-cookie', cookie);
      },
      tokens: async (login: MfaLogin) => ({ accessToken: state.signIn(login.userId, login) }),
    });
    class GuideHost extends TestHost {
      private get guide() {
        const mailer = { send: async (_: string, text: string) => void mails.push(text) };
        return { sessions: sessions(this.auth.state), mailer };
      }
      override completeLogin(login: MfaLogin, context: never) {
        return DeviceHost.prototype.completeLogin.call(this.guide as never, login, context);
      }
      override notify(event: MfaEvent) {
        super.notify(event);
        return DeviceHost.prototype.notify.call(this.guide as never, event);
      }
    }
    Reflect.defineMetadata('design:paramtypes', Reflect.getMetadata('design:paramtypes', TestHost), GuideHost);

    const find = async (id: string) => users.get(id)!;
    const providers: Provider[] = [
      DeviceSignIn!,
      {
        provide: DeviceFirstFactors!,
        useValue: {
          byPassword: find,
          byLink: find,
          byProvider: async ({ query }: { query: { code: string } }) => find(query.code),
        },
      },
      { provide: DeviceSessions!, inject: [HostState], useFactory: sessions },
    ];
    host = await startHostApp({
      ...{ adapter, host: GuideHost, providers, controllers: [DeviceLoginController!] },
      options: { trustedDevices, backupCodes: { count: 4 } },
    });
  });
  afterAll(() => host?.close());

  async function newUser(id: string, passwordHash: string | null = 'hash-1') {
    users.set(id, { id, email: id, passwordHash });
    const { authenticator, backupCodes } = await new Client(host, id).enroll();
    host.clock.advance(30);
    mails.splice(0);
    return { authenticator, backupCodes };
  }

  /** Requests of one browser, with its cookies. */
  function browserOf() {
    const browser = new Browser();
    const ask = async (method: 'GET' | 'POST', path: string, body?: object): Promise<Response> => {
      const server = host.app.getHttpServer() as Parameters<typeof request>[0];
      const session = browser.cookies.get('session');
      const sent = (method === 'GET' ? request(server).get(path) : request(server).post(path)).set({
        cookie: browser.header,
        ...(session && { authorization: `Bearer ${session}` }),
      });
      const response = await (body ? sent.send(body) : sent);
      browser.keep(response);
      return response;
    };
    const send: Send = async (method, path, body) => {
      const { status, body: parsed } = await ask(method, path, body);
      if (status >= 300) throw new Error(String(status));
      return parsed as never;
    };
    return { browser, ask, send };
  }

  const PATHS: Record<'the password' | 'OAuth' | 'the link', (id: string) => ['GET' | 'POST', string, object?]> = {
    'the password': (id: string) => ['POST', '/login/password', { email: id, password: 'x' }],
    OAuth: (id: string) => ['GET', `/login/oauth/callback?code=${id}`],
    'the link': (id: string) => ['POST', '/login/link', { token: id }],
  };

  /** Whether the first factor alone opens a session. */
  async function isTrusted(id: string, { browser, ask }: ReturnType<typeof browserOf>, path = PATHS['the password']) {
    browser.cookies.delete('session');
    browser.cookies.delete('mfa_token');
    await ask(...path(id));
    return browser.cookies.has('session');
  }

  async function trust(id: string, its: ReturnType<typeof browserOf>, code: string, remember = true) {
    const { mfa_token } = await its.send<{ mfa_token: string }>(...PATHS['the password'](id));
    expect(await pages.verify(its.send, mfa_token, code, remember)).toEqual({ signedIn: true });
    host.clock.advance(30);
  }

  it.each(Object.entries(PATHS))(
    'S111 S113 skips the second step of a login by %s in this browser only',
    async (name, path) => {
      const user = `by-${name.replaceAll(' ', '-')}`;
      const { authenticator } = await newUser(user);
      const [mine, other] = [browserOf(), browserOf()];
      const first = await mine.ask(...path(user));
      if (name !== 'the password') {
        expect(first.headers.location ?? (first.body as { next: string }).next).toBe('/login/second-step');
      }
      const { mfa_token } = first.body as { mfa_token?: string };
      // After a redirect the token is in its cookie.
      expect(await pages.verify(mine.send, mfa_token, authenticator.code(), true)).toEqual({ signedIn: true });
      const provedAt = new Date(host.clock.nowMs());
      expect(mails).toEqual([expect.stringMatching(/^A device was trusted on .*without your second factor/)]);
      host.clock.advance(DAY);
      expect([await isTrusted(user, mine, path), await isTrusted(user, other, path)]).toEqual([true, false]);
      const session = host.state.sessions.get(mine.browser.cookies.get('session')!);
      expect(session).toMatchObject({
        amr: [{ 'the password': 'pwd', OAuth: 'fed' }[name] ?? 'email', 'mfa'],
        mfaAt: provedAt,
        factor: null,
      });
      expect((await mine.ask('GET', '/payouts')).status).toBe(200);
      expect((await mine.ask('GET', '/transfers')).body).toMatchObject({ code: 'MFA_STEP_UP_REQUIRED' });
      // One trust counts for every login path, until the password changes.
      for (const each of Object.values(PATHS)) expect(await isTrusted(user, mine, each)).toBe(true);
      users.get(user)!.passwordHash = 'hash-2';
      expect(await isTrusted(user, mine, path)).toBe(false);
    },
  );

  it('trusts nothing without the tick, and ends after 30 days', async () => {
    const { authenticator } = await newUser('ann');
    const mine = browserOf();
    await trust('ann', mine, authenticator.code(), false);
    expect(await isTrusted('ann', mine)).toBe(false);
    await trust('ann', mine, authenticator.code());
    expect(await isTrusted('ann', mine)).toBe(true);
    host.clock.advance(30 * DAY);
    expect(await isTrusted('ann', mine)).toBe(false);
  });

  it('keeps a user without a password trusted, at every login', async () => {
    const { authenticator } = await newUser('olga', null);
    const mine = browserOf();
    await trust('olga', mine, authenticator.code());
    for (const path of [PATHS.OAuth, PATHS['the link'], PATHS.OAuth])
      expect(await isTrusted('olga', mine, path)).toBe(true);
  });

  it('lists the browsers, revokes another one, and forgets this one', async () => {
    const { authenticator } = await newUser('lena');
    const [mine, other] = [browserOf(), browserOf()];
    await trust('lena', mine, authenticator.code());
    await trust('lena', other, authenticator.code());
    const listed = await pages.listDevices(mine.send);
    expect(listed.map(({ current }) => current).toSorted()).toEqual([false, true]);
    const left = await pages.revoke(mine.send, listed.find(({ current }) => !current)!.id);
    expect(left).toEqual([expect.objectContaining({ current: true })]);
    expect([await isTrusted('lena', mine), await isTrusted('lena', other)]).toEqual([true, false]);
    mails.splice(0);
    await pages.forgetThisBrowser(mine.send);
    expect(await isTrusted('lena', mine)).toBe(false);
    expect(mails).toEqual([]);
  });

  it('sends messages about a copied cookie and about what the support did', async () => {
    const { authenticator } = await newUser('vera');
    const mine = browserOf();
    await trust('vera', mine, authenticator.code());
    const stolen = browserOf();
    for (const [name, value] of mine.browser.copy().cookies) stolen.browser.cookies.set(name, value);
    expect([await isTrusted('vera', mine), await isTrusted('vera', mine)]).toEqual([true, true]);
    mails.splice(0);
    expect(await isTrusted('vera', stolen)).toBe(false);
    expect(await isTrusted('vera', mine)).toBe(false);
    expect(mails).toEqual([expect.stringMatching(/^Somebody may have copied what your device signs in with/)]);
    await trust('vera', mine, authenticator.code());
    mails.splice(0);
    const admin = host.app.get(MfaAdminService, { strict: false });
    await admin.revokeDevices('vera', { actor: { userId: 'agent' } });
    expect(mails).toEqual([expect.stringMatching(/^Our support ended the trust/)]);
  });

  it('S113 signs in an app by its token, and asks again where the token is refused', async () => {
    const { authenticator, backupCodes } = await newUser('paul');
    const kept = new Map<string, string>();
    const storage = {
      get: async (key: string) => kept.get(key) ?? null,
      set: async (key: string, value: string) => void kept.set(key, value),
      delete: async (key: string) => void kept.delete(key),
    };
    let asked = 0;
    const open = (code: string, remember: boolean) =>
      signIn({ send: browserOf().send, storage }, { email: 'paul', password: 'x' }, async () => {
        asked += 1;
        return { code, remember };
      });
    expect(await open(authenticator.code(), true)).toContain('paul');
    expect([...kept.keys()]).toEqual(['mfa-device:paul']);
    for (let logins = 0; logins < 2; logins += 1) expect(await open('none', false)).toContain('paul');
    expect(asked).toBe(1);
    const devices = host.app.get(MfaDeviceService, { strict: false });
    const [listed] = await devices.list('paul');
    await devices.revoke('paul', listed!.id);
    host.clock.advance(30);
    await open(authenticator.code(), false);
    expect(asked).toBe(2);
    expect(kept.size).toBe(0);
    await open(backupCodes[0]!, true);
    expect(kept.size).toBe(0);
  });
});

describe('the policy of the guide', () => {
  it('switches trusted devices off for administrators only', async () => {
    const { devicePolicyOf } = await load<{ devicePolicyOf(user: object): object }>('device-policy.ts');
    expect(devicePolicyOf({ role: 'admin' })).toMatchObject({ trustedDevices: false, required: true });
    expect(devicePolicyOf({ role: 'member' })).toMatchObject({ trustedDevices: true, required: false });
  });
});
