import { BY_TEST } from '../support/reset.js';
import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { afterEach, describe, expect, it } from 'vitest';
import { MfaAdminService, MfaGuard, type MfaPrincipal } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

class Account implements MfaPrincipal {
  constructor(
    readonly userId: string,
    private readonly session: { mfaAt?: Date | null; amr?: string[] },
  ) {}
  get accountName() {
    return `${this.userId}@example.test`;
  }
  get mfaAt() {
    return this.session.mfaAt;
  }
  get amr() {
    return this.session.amr;
  }
}

@Injectable()
class ClassyHost extends TestHost {
  override principal(context: ExecutionContext): MfaPrincipal | null {
    const session = this.session(context);
    return session ? new Account(session.userId, session) : null;
  }
}

describe('lifecycle', () => {
  let host: HostApp;
  afterEach(() => host.close());
  const admin = () => host.app.get(MfaAdminService, { strict: false });

  it('S12 S43 a setup that was begun before the password changed is not continued after it', async () => {
    host = await startHostApp();
    const thief = new Client(host, 'owner');
    const planted = await thief.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    // The owner notices, changes the password, which ends every session, and enrolls at once.
    await admin().passwordChanged('owner', BY_TEST);
    const owner = new Client(host, 'owner');
    const setup = await owner.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    expect(setup.body.secret).not.toBe(planted.body.secret);
  });

  it('S12 S43 S79 a setup that was begun before the password changed, or tokens were revoked, is confirmed by nobody', async () => {
    host = await startHostApp({ options: FEW_CODES });
    const ways = [() => admin().passwordChanged('planted', BY_TEST), () => admin().invalidate('planted', BY_TEST)];
    for (const change of ways) {
      const thief = new Client(host, 'planted');
      const planted = await thief.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      await change();
      // Of the very session that began it, which the host may have left open.
      const code = new VirtualAuthenticator(planted.body.otpauthUri, host.clock).code();
      await thief.post('/mfa/totp/confirm', { code }).expect(404, /MFA_SETUP_NOT_FOUND/);
      expect((await thief.get('/mfa/status')).body).toMatchObject({ enabled: false, pendingSetup: false });
    }
  });

  const attempts = { maxFailures: 1, disableAfter: 2, lockSeconds: 1, maxLockSeconds: 2 };
  const disableBackupCodes = async (user: Client) => {
    for (let guess = 0; guess < 2; guess += 1) {
      await user.verify(await user.login(), 'AAAA-AAAA').expect(401);
      host.clock.advance(30);
    }
    await user.verify(await user.login(), 'AAAA-AAAA').expect(429);
  };

  it('S54 backup codes that too many failures disabled work again after regeneration', async () => {
    host = await startHostApp({ options: { attempts } });
    const user = new Client(host, 'regenerator');
    const { authenticator } = await user.enroll();
    await disableBackupCodes(user);
    const { body } = await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200);
    host.clock.advance(3 * 24 * 60 * 60);
    await user.verify(await user.login(), body.backupCodes[0]).expect(200);
  });

  it('S54 backup codes that too many failures disabled work again after disabling and re-enrolling', async () => {
    host = await startHostApp({ options: { attempts } });
    const user = new Client(host, 're-enroller');
    const { authenticator } = await user.enroll();
    await disableBackupCodes(user);
    await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    host.clock.advance(3 * 24 * 60 * 60);
    const { backupCodes } = await user.enroll();
    await user.verify(await user.login(), backupCodes[0]).expect(200);
  });

  it('a principal may be an instance of a class with accessors', async () => {
    host = await startHostApp({ host: ClassyHost });
    const user = new Client(host, 'classy');
    const { status } = await user.post('/mfa/totp/setup', { password: PASSWORD });
    expect(status).toBe(200);
  });

  it.each(['ws', 'rpc', 'graphql', 'telegraf'])(
    'S46 MfaGuard denies an unknown caller in a %s context',
    async (type) => {
      host = await startHostApp();
      const guard = await host.app
        .resolve(MfaGuard, undefined, { strict: false })
        .catch(() => host.app.get(MfaGuard, { strict: false }));
      class Gateway {
        handler() {
          return 'secret';
        }
      }
      const args = type === 'graphql' ? [undefined, {}, { req: { headers: {} } }, {}] : [{ handshake: {} }, {}];
      const context = new ExecutionContextHost(args, Gateway as never, Gateway.prototype.handler);
      context.setType(type);
      await expect(Promise.resolve().then(() => guard.canActivate(context))).rejects.toBeTruthy();
    },
  );
});
