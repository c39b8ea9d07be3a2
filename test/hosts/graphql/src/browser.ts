import { NestFactory } from '@nestjs/core';
import { Users } from './accounts.js';
import { AppModule } from './app.module.js';
import type { LifeCycleApp, LifeCycleBrowser, Reply } from './life-cycle.flow.js';
import { Sessions } from './sessions.js';

const LOGIN = '{ token mfaRequired mfa_token methods }';

/** A client that keeps a Bearer token. */
export class Browser implements LifeCycleBrowser {
  private token: string | undefined;

  constructor(private readonly url: string) {}

  /** `operation` is one field. Its errors carry the code in `extensions`. */
  private async send(operation: string, ...values: string[]): Promise<Reply> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.token) headers.authorization = `Bearer ${this.token}`;
    const filled = values.reduce((text, value) => text.replace('?', JSON.stringify(value)), operation);
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query: filled }),
    });
    const { data, errors } = (await response.json()) as Record<string, any>;
    const body = Object.values(data ?? {})[0] as any;
    if (body?.token) this.token = body.token;
    return { code: errors ? String(errors[0].extensions.code) : 'OK', body: { ...body } };
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
