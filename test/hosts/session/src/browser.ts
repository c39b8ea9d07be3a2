import { promisify } from 'node:util';
import type { INestApplication, NestApplicationOptions } from '@nestjs/common';
import type { MemoryStore, SessionData } from 'express-session';
import { Users } from './accounts.js';
import { HttpBrowser } from './http-browser.js';
import type { LifeCycleApp } from './life-cycle.flow.js';
import type { SignedIn } from './sessions.js';

/** A cookie jar. */
export class Browser extends HttpBrowser {
  readonly cookies = new Map<string, string>();
  /** The `Set-Cookie` headers of the newest response. */
  received: string[] = [];

  protected headers(): Record<string, string> {
    return { cookie: [...this.cookies].map((pair) => pair.join('=')).join('; ') };
  }

  protected keep(response: Response): void {
    this.received = response.headers.getSetCookie();
    for (const line of this.received) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /Max-Age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }

  /** The cookie names the login. The page says so, because the browser may have a session, too. */
  protected inLogin() {
    return { purpose: 'verify' };
  }

  protected readonly rememberDevice = true;

  /** Only the cookies of trusted devices stay. */
  closeSession(): void {
    for (const name of this.cookies.keys()) if (!name.startsWith('__Host-mfa-device-')) this.cookies.delete(name);
  }

  /** The provider sends the browser to the callback, which redirects. */
  byProvider = async (code: string) => {
    const url = `${this.url}/auth/oauth/callback?code=${code}`;
    const response = await fetch(url, { headers: this.headers(), redirect: 'manual' });
    this.keep(response);
    const next = response.headers.get('location');
    return { code: response.status === 302 ? 'OK' : String(response.status), body: { next } };
  };
  openLogin = () => this.get('/mfa/challenge');
  get = (path: string) => this.call('GET', path);
  post = (path: string, body: object) => this.call('POST', path, body);
  refresh = () => this.call('POST', '/auth/refresh', {});
}

type CreateApp = (options: NestApplicationOptions) => Promise<INestApplication>;

/** @param createApp of `express.ts` or `fastify.ts`, with the store of its sessions */
export async function start(createApp: CreateApp, store: MemoryStore): Promise<LifeCycleApp> {
  const app = await createApp({ logger: ['error'], abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const users = app.get(Users, { strict: false });
  return {
    app,
    url: await app.getUrl(),
    signedOut: 'MFA_NOT_AUTHENTICATED',
    userId: (email) => users.byEmail(email).id,
    block: (email, blocked) => void (users.byEmail(email).blocked = blocked),
    ageSessions: async (email, seconds) => {
      const all = (await promisify(store.all.bind(store))()) as unknown as Record<string, SessionData & SignedIn>;
      for (const [id, content] of Object.entries(all)) {
        if (content.userId !== users.byEmail(email).id || !content.mfaAt) continue;
        const mfaAt = new Date(Date.parse(content.mfaAt) - seconds * 1000).toISOString();
        store.set(id, { ...content, mfaAt } as SessionData);
      }
    },
  };
}
