import { NestFactory } from '@nestjs/core';
import { Users } from './accounts.js';
import { AppModule } from './app.module.js';
import { HttpBrowser } from './http-browser.js';
import type { LifeCycleApp } from './life-cycle.flow.js';
import { Tokens, type TokenPair } from './tokens.js';

/** Keeps the token pair; a change of factors may hand over another access token as `session`. */
export class Browser extends HttpBrowser {
  private pair: Partial<TokenPair> = {};

  protected headers(): Record<string, string> {
    return this.pair.accessToken ? { authorization: `Bearer ${this.pair.accessToken}` } : {};
  }

  protected keep(_: Response, body: Record<string, any>): void {
    const { accessToken, refreshToken } = (body.session ?? body) as Partial<TokenPair>;
    if (accessToken) this.pair = { ...this.pair, accessToken, ...(refreshToken ? { refreshToken } : {}) };
  }

  refresh() {
    return this.call('POST', '/auth/refresh', { refreshToken: this.pair.refreshToken });
  }
}

export async function start(): Promise<LifeCycleApp> {
  const app = await NestFactory.create(AppModule, { logger: ['error'], abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const users = app.get(Users, { strict: false });
  const { rows } = app.get(Tokens, { strict: false });
  return {
    app,
    url: await app.getUrl(),
    // The application's own guard comes first.
    signedOut: '401',
    userId: (email) => users.byEmail(email).id,
    block: (email, blocked) => void (users.byEmail(email).blocked = blocked),
    ageSessions: (email, seconds) => {
      for (const row of rows.values()) {
        if (row.userId === users.byEmail(email).id && row.mfaAt)
          row.mfaAt = new Date(row.mfaAt.getTime() - seconds * 1000);
      }
    },
  };
}
