import request, { type Response, type Test } from 'supertest';
import type { HostApp } from './host-app.js';
import { PasskeyClient } from './passkey-client.js';

/** The setup of an application whose users can trust devices. */
export const DEVICES = { trustedDevices: {}, backupCodes: { count: 4 } };

/** A browser: it keeps cookies, also those with `Secure`, and can be used by several users. */
export class Browser {
  readonly cookies = new Map<string, string>();
  /** The last `Set-Cookie` headers. */
  received: string[] = [];

  /** The `Cookie` header. */
  get header(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  keep(response: { headers: Record<string, unknown> }): void {
    this.received = ([response.headers['set-cookie']].flat() as (string | undefined)[]).filter(
      (each) => each !== undefined,
    );
    for (const line of this.received) {
      const [pair = ''] = line.split(';', 1);
      const end = pair.indexOf('=');
      const [name, value] = [pair.slice(0, end), pair.slice(end + 1)];
      if (/;\s*Max-Age=0(;|$)/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }

  /** Another browser with the same cookies, as a thief has them. */
  copy(): Browser {
    const copy = new Browser();
    for (const [name, value] of this.cookies) copy.cookies.set(name, value);
    return copy;
  }
}

/** A user who logs in from a browser. */
export class DeviceClient extends PasskeyClient {
  constructor(
    host: HostApp,
    userId: string,
    readonly browser = new Browser(),
    session = '',
  ) {
    super(host, userId, session);
  }

  /** The first factor from this browser. */
  async logIn(body: object = {}): Promise<Response> {
    return this.kept(this.withCookies(this.loginAnswer().send(body)));
  }

  /** Whether a login from this browser requires no second step. */
  async isTrusted(): Promise<boolean> {
    const { status, body } = await this.logIn();
    if (status !== 201) throw new Error(`The login failed: ${status}`);
    return !(body as { mfaRequired?: boolean }).mfaRequired;
  }

  /** Both factors, after which the device is trusted. */
  async trust(code: string, rememberDevice: boolean | 'token' = true, proof: object = {}): Promise<Response> {
    const { body } = await this.logIn();
    return this.secondStep({ mfa_token: body.mfa_token as string, code, rememberDevice, ...proof });
  }

  /** The second factor from this browser. */
  async secondStep(body: object): Promise<Response> {
    return this.kept(this.withCookies(request(this.server).post('/mfa/verify').send(body)));
  }

  /** A request of a signed-in user from this browser. */
  async ask(method: 'get' | 'post', path: string): Promise<Response> {
    return this.kept(this.withCookies(method === 'get' ? this.get(path) : this.post(path)));
  }

  private withCookies(sent: Test): Test {
    return this.browser.cookies.size > 0 ? sent.set('Cookie', this.browser.header) : sent;
  }

  private async kept(sent: PromiseLike<Response>): Promise<Response> {
    const response = await sent;
    this.browser.keep(response);
    return response;
  }
}

/** An enrolled user whose browser is trusted. The clock then stands one step later, so that the next code is fresh. */
export async function trustedUser(host: HostApp, userId: string) {
  const user = new DeviceClient(host, userId);
  const enrolled = await user.enroll();
  const verified = await user.trust(enrolled.authenticator.code());
  if (verified.status !== 200) throw new Error(`The browser is not trusted: ${verified.status}`);
  user.session = (verified.body as { accessToken: string }).accessToken;
  host.clock.advance(30);
  return { user, ...enrolled };
}

/** The events of the devices of a user, in order. */
export const deviceEvents = ({ host, userId }: DeviceClient): string[] =>
  host.state.events
    .filter((event) => event.userId === userId && event.type.startsWith('mfa.device'))
    .map(({ type }) => type);
