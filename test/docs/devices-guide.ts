import { join } from 'node:path';
import type { Provider, Type } from '@nestjs/common';
import type { MfaCookieResponse, MfaEvent, MfaLogin } from 'nestjs-mfa';
import request, { type Response } from 'supertest';
import { Client } from '../support/client.js';
import { Browser } from '../support/device-client.js';
import { HostState, startHostApp, TestHost, type Adapter } from '../support/host-app.js';
import { PASSKEYS } from '../support/passkey-client.js';
import { PolicyHost } from '../support/policy-host.js';
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
export type Send = <T>(method: 'GET' | 'POST', path: string, body?: object) => Promise<T>;
interface Pages {
  verify(send: Send, mfaToken: string | undefined, code: string, remember: boolean): Promise<object>;
  listDevices(send: Send): Promise<Listed[]>;
  revoke(send: Send, id: string): Promise<Listed[]>;
  forgetThisBrowser(send: Send): Promise<void>;
}
type SignIn = (its: object, credentials: object) => Promise<string>;

/** Writes the code of the guide, and of the guides whose code it uses. */
export function writeDevicesGuide(): Promise<Example> {
  const guides = ['trusted-devices', 'audit-and-notifications', 'support-desk'];
  const files = guides.map((name) => codeFiles(read(`docs/guides/${name}.md`)));
  return writeExample(new Map(files.flatMap((each) => [...each])));
}

export type DevicesGuide = Awaited<ReturnType<typeof startDevicesGuide>>;

/** An application with the code of the guide about trusted devices. */
export async function startDevicesGuide({ folder }: Example, adapter: Adapter) {
  const load = <T>(file: string) => import(join(folder, 'src/guides/devices', file)) as Promise<T>;
  const users = new Map<string, GuideUser>();
  const mails: string[] = [];
  const { DeviceSignIn, DeviceSessions } = await load<Record<string, Type>>('sign-in.ts');
  const { DeviceLoginController, DeviceFirstFactors } = await load<Record<string, Type>>('login.controller.ts');
  const { DeviceHost } = await load<{ DeviceHost: typeof TestHost }>('device-host.ts');
  const { EventsHost } = await load<{ EventsHost: typeof TestHost }>('../audit/events-host.ts');
  const { trustedDevices } = await load<{ trustedDevices: object }>('trusted-devices.option.ts');
  const pages = await load<Pages>('device-pages.ts');
  const { deviceMessage } = await load<{ deviceMessage(event: MfaEvent): string | null }>('device-messages.ts');
  const { signIn } = await load<{ signIn: SignIn }>('device-app.ts');

  const sessions = (state: HostState) => ({
    open: async (login: MfaLogin, response: MfaCookieResponse) => {
      const cookie = `session=${state.signIn(login.userId, login)}; Path=/`;
      if (response.setHeader)
        response.setHeader('set-cookie', [response.getHeader('set-cookie') ?? [], cookie].flat().map(String));
      else response.header!('set-cookie', cookie);
    },
    tokens: async (login: MfaLogin) => ({ accessToken: state.signIn(login.userId, login) }),
  });
  class GuideHost extends PolicyHost {
    override completeLogin(login: MfaLogin, context: never) {
      const its = { sessions: sessions(this.auth.state) };
      return DeviceHost.prototype.completeLogin.call(its as never, login, context) as Promise<object>;
    }
    override notify(event: MfaEvent) {
      super.notify(event);
      const text = deviceMessage(event);
      if (text) mails.push(text);
    }
    override requestInfo(context: never) {
      return EventsHost.prototype.requestInfo!(context);
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
  const host = await startHostApp({
    ...{ adapter, host: GuideHost, providers, controllers: [DeviceLoginController!] },
    options: { ...PASSKEYS, trustedDevices, backupCodes: { count: 4 } },
  });

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
        'user-agent': 'Firefox',
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

  return { host, pages, signIn, deviceMessage, users, mails, newUser, browserOf };
}
