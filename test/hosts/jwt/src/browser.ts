import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { Users } from './accounts.js';
import { AppModule } from './app.module.js';
import { HttpBrowser } from './http-browser.js';
import type { LifeCycleApp } from './life-cycle.flow.js';
import { RefreshToken } from './refresh-token.entity.js';

export interface TokenPair {
  accessToken: string;
  refreshToken: string;
}

/** Keeps the token pair. A change of factors may return another pair as `session`. */
export class Browser extends HttpBrowser {
  pair: Partial<TokenPair> = {};
  private mfaToken: string | undefined;
  private deviceToken: string | undefined;
  protected readonly rememberDevice = 'token';

  protected headers(): Record<string, string> {
    return this.pair.accessToken ? { authorization: `Bearer ${this.pair.accessToken}` } : {};
  }

  protected keep(_: Response, body: Record<string, any>): void {
    if (body.mfa_token) this.mfaToken = body.mfa_token;
    if (body.deviceToken) this.deviceToken = body.deviceToken;
    const { accessToken, refreshToken } = (body.session ?? body.login ?? body) as Partial<TokenPair>;
    if (accessToken) this.pair = { ...this.pair, accessToken, ...(refreshToken ? { refreshToken } : {}) };
  }

  protected inLogin() {
    return { mfa_token: this.mfaToken };
  }

  protected override withFirstFactor() {
    return { deviceToken: this.deviceToken };
  }

  closeSession(): void {
    this.pair = {};
  }

  refresh() {
    return this.call('POST', '/auth/refresh', { refreshToken: this.pair.refreshToken });
  }

  byProvider = (code: string) => this.call('POST', '/auth/oauth', { code, ...this.withFirstFactor() });
  openLogin = () => this.call('GET', '/mfa/challenge', undefined, { 'x-mfa-token': this.mfaToken });
}

export async function start(): Promise<LifeCycleApp> {
  const app = await NestFactory.create(AppModule, { logger: ['error'], abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const users = app.get(Users, { strict: false });
  const rows = app.get(DataSource).getRepository(RefreshToken);
  return {
    app,
    url: await app.getUrl(),
    // The application's own guard comes first.
    signedOut: '401',
    userId: (email) => users.byEmail(email).id,
    block: (email, blocked) => void (users.byEmail(email).blocked = blocked),
    ageSessions: async (email, seconds) => {
      for (const { sid, mfaAt } of await rows.findBy({ userId: users.byEmail(email).id })) {
        if (!mfaAt) continue;
        await rows.update({ sid }, { mfaAt: new Date(Date.parse(mfaAt) - seconds * 1000).toISOString() });
      }
    },
  };
}
