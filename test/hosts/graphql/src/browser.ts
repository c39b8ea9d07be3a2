import { NestFactory } from '@nestjs/core';
import { Users } from './accounts.js';
import { AppModule } from './app.module.js';
import type { LifeCycleApp, Reply } from './life-cycle.flow.js';
import { Sessions } from './sessions.js';
import type { TrustedDevice, TrustingBrowser } from './trusted-devices.flow.js';

const OPEN = 'mfaRequired methods enrollmentRequired enrollmentMethods';
const LOGIN = `{ token mfa_token enrollmentDueAt ${OPEN} }`;

/** A browser that keeps a Bearer token, and the cookies of trusted devices. */
export class Browser implements TrustingBrowser {
  private token: string | undefined;
  private mfaToken = '';
  private enrollmentDueAt: string | undefined;
  private readonly cookies = new Map<string, string>();

  constructor(private readonly url: string) {}

  /** `operation` is one field. Its errors carry the code in `extensions`. */
  private async send(operation: string, ...values: string[]): Promise<Reply> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    if (this.cookies.size > 0) headers.cookie = [...this.cookies].map((pair) => pair.join('=')).join('; ');
    const filled = values.reduce((text, value) => text.replace('?', JSON.stringify(value)), operation);
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query: filled }),
    });
    this.keepCookies(response);
    const { data, errors } = (await response.json()) as Record<string, any>;
    const body = Object.values(data ?? {})[0] as any;
    const { token, mfa_token, enrollmentDueAt } = body?.login ?? body ?? {};
    if (token) Object.assign(this, { token, enrollmentDueAt });
    if (mfa_token) this.mfaToken = mfa_token;
    return { code: errors ? String(errors[0].extensions.code) : 'OK', body: { ...body } };
  }

  private keepCookies({ headers }: Response): void {
    for (const line of headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }

  closeSession(): void {
    this.token = undefined;
  }

  register = (email: string, password: string) =>
    this.send('mutation { register(email: ?, password: ?) }', email, password);
  login = (email: string, password: string) =>
    this.send(`mutation { login(email: ?, password: ?) ${LOGIN} }`, email, password);
  verify = (mfaToken: string, code: string) =>
    this.send(`mutation { verify(mfaToken: ?, code: ?) ${LOGIN} }`, mfaToken, code);
  setup = (password: string) => this.send('mutation { setup(password: ?) { secret qrCode } }', password);
  confirm = (code: string) => this.send('mutation { confirm(code: ?) { enabled backupCodes } }', code);
  stepUp = (code: string) => this.send('mutation { stepUp(code: ?) }', code);
  disable = (code: string) => this.send('mutation { disable(code: ?) { enabled } }', code);
  me = () => this.send('{ me { amr mfaAt } }');
  payouts = () => this.send('{ payouts }');
  transfer = () => this.send('mutation { transfer }');
  refresh = () => this.send(`mutation { refresh ${LOGIN} }`);

  byProvider = (code: string) => this.send(`mutation { loginByProvider(code: ?) ${LOGIN} }`, code);
  byLink = (token: string) => this.send(`mutation { loginByLink(token: ?) ${LOGIN} }`, token);
  dueAt = async () => this.enrollmentDueAt!;
  openLogin = () => this.send(`{ openLogin(mfaToken: ?) { ${OPEN} } }`, this.mfaToken);
  verifyInLogin = (code: string, method = 'backup_code') =>
    this.send(`mutation { verify(mfaToken: ?, code: ?, method: ?) ${LOGIN} }`, this.mfaToken, code, method);
  setupInLogin = (recoveryCode = '') =>
    this.send('mutation { setupInLogin(mfaToken: ?, recoveryCode: ?) { secret } }', this.mfaToken, recoveryCode);
  confirmInLogin = (code: string) =>
    this.send(
      `mutation { confirmInLogin(mfaToken: ?, code: ?) { enabled backupCodes login ${LOGIN} } }`,
      ...[this.mfaToken, code],
    );
  cancelInLogin = () => this.send('mutation { cancelInLogin(mfaToken: ?) }', this.mfaToken);

  trustInLogin = (code: string) =>
    this.send(`mutation { verify(mfaToken: ?, code: ?, rememberDevice: true) ${LOGIN} }`, this.mfaToken, code);
  devices = async () => {
    const { body } = await this.send('{ devices { id label lastUsedAt expiresAt current } }');
    return Object.values(body) as TrustedDevice[];
  };
  revokeDevice = (id: string) => this.send('mutation { revokeDevice(id: ?) }', id);
}

export async function start(): Promise<LifeCycleApp> {
  const app = await NestFactory.create(AppModule, { logger: ['error'], abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const users = app.get(Users, { strict: false });
  const { byToken } = app.get(Sessions, { strict: false });
  return {
    app,
    url: await app.getUrl(),
    signedOut: 'MFA_NOT_AUTHENTICATED',
    userId: (email) => users.byEmail(email).id,
    block: (email, blocked) => void (users.byEmail(email).blocked = blocked),
    ageSessions: (email, seconds) => {
      for (const session of byToken.values()) {
        if (session.userId !== users.byEmail(email).id || !session.mfaAt) continue;
        session.mfaAt = new Date(session.mfaAt.getTime() - seconds * 1000);
      }
    },
  };
}
