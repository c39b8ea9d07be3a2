import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Response } from 'supertest';
import { MfaClock, MfaHost } from 'nestjs-mfa';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import { BackupCodeHasher } from '../../libs/mfa/src/domain/backup-codes/backup-code-hash.js';
import { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import { MfaRandom } from '../../libs/mfa/src/domain/random.js';
import { SecretBox } from '../../libs/mfa/src/domain/secrets/secret-box.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { Client } from '../support/client.js';
import { FaultInjection, faultCases, type FaultLine } from '../support/fault-injection.js';
import { PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';

const PARTS = {
  accounts: MfaAccountStore,
  authenticators: MfaAuthenticatorStore,
  codes: MfaBackupCodeStore,
  usage: MfaUsageStore,
  verification: MfaVerificationStore,
  box: SecretBox,
  hasher: BackupCodeHasher,
  clock: MfaClock,
  random: MfaRandom,
  host: MfaHost,
};

type Flow =
  'verify' | 'verify by backup code' | 'step up' | 'guarded route' | 'setup' | 'confirm' | 'regenerate' | 'disable';

/**
 * Each method that the flow calls up to its commit; `undefined` is a fault only where something is answered. What comes
 * after the commit is in after-commit.spec.ts.
 */
const FAULTS: FaultLine<keyof typeof PARTS, Flow>[] = [
  ['verification', 'reserveAttempt', 'verify', 'or undefined'],
  ['verification', 'spendAndSettle', 'verify', 'or undefined'],
  ['accounts', 'loadWith', 'verify', 'or undefined'],
  ['accounts', 'reserve', 'verify', 'or undefined'],
  ['accounts', 'settle', 'verify'],
  ['usage', 'spend', 'verify', 'or undefined'],
  ['authenticators', 'touch', 'verify'],
  ['box', 'open', 'verify', 'is synchronous'],
  ['clock', 'nowMs', 'verify', 'is synchronous'],
  ['host', 'completeLogin', 'verify', 'or undefined'],
  ['accounts', 'securityStampOf', 'verify', 'or undefined'],
  ['verification', 'reserveAttempt', 'verify by backup code', 'or undefined'],
  ['verification', 'spendAndSettle', 'verify by backup code', 'or undefined'],
  ['accounts', 'loadWith', 'verify by backup code', 'or undefined'],
  ['codes', 'markUsed', 'verify by backup code'],
  ['hasher', 'match', 'verify by backup code', 'or undefined'],
  ['host', 'principal', 'step up', 'or undefined'],
  ['verification', 'reserveAttempt', 'step up', 'or undefined'],
  ['verification', 'spendAndSettle', 'step up', 'or undefined'],
  ['host', 'completeStepUp', 'step up'],
  ['host', 'principal', 'guarded route', 'or undefined'],
  ['clock', 'nowMs', 'guarded route', 'is synchronous'],
  ['host', 'verifyPassword', 'setup', 'or undefined'],
  ['accounts', 'open', 'setup'],
  ['accounts', 'commit', 'setup', 'or undefined'],
  ['authenticators', 'add', 'setup'],
  ['box', 'seal', 'setup', 'is synchronous'],
  ['random', 'bytes', 'setup', 'is synchronous'],
  ['random', 'id', 'setup', 'is synchronous'],
  ['hasher', 'hashSet', 'confirm', 'or undefined'],
  ['codes', 'add', 'confirm'],
  ['accounts', 'commit', 'confirm', 'or undefined'],
  ['hasher', 'hashSet', 'regenerate', 'or undefined'],
  ['accounts', 'commit', 'regenerate', 'or undefined'],
  ['authenticators', 'collectAfter', 'disable'],
  ['verification', 'reserveAttempt', 'disable', 'or undefined'],
  ['verification', 'spendAndSettle', 'disable', 'or undefined'],
  ['accounts', 'commit', 'disable', 'or undefined'],
];

describe('one fault at a time', () => {
  let host: HostApp;
  let users = 0;
  const injection = new FaultInjection();

  beforeAll(async () => {
    host = await startHostApp({ override: withQuickHasher });
    injection.install(host, PARTS, FAULTS);
  });
  afterAll(async () => {
    injection.close();
    await host.close();
  });
  beforeEach(() => injection.reset());

  /** What the flow does while the fault is on, on a user that is ready for it. */
  async function prepare(
    flow: Flow,
    user: Client,
  ): Promise<{ act: () => PromiseLike<Response>; device?: VirtualAuthenticator }> {
    if (flow === 'setup') return { act: () => user.post('/mfa/totp/setup', { password: PASSWORD }) };
    if (flow === 'confirm') {
      const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      const device = new VirtualAuthenticator(body.otpauthUri, host.clock);
      const code = device.code();
      return { act: () => user.post('/mfa/totp/confirm', { code }), device };
    }
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    // Now, for the clock itself may be what fails.
    const code = authenticator.code();
    const mfaAt = new Date(host.clock.nowMs());
    const device = authenticator;
    const session = new Client(host, user.userId, host.state.signIn(user.userId, { mfaAt, amr: ['mfa'] }));
    switch (flow) {
      case 'verify':
        return { act: () => user.verify(token, code), device };
      case 'verify by backup code':
        return { act: () => user.verify(token, backupCodes[0]), device };
      case 'step up':
        return { act: () => user.post('/mfa/step-up', { code }), device };
      case 'guarded route':
        return { act: () => session.get('/transfers'), device };
      case 'regenerate':
        return { act: () => user.post('/mfa/backup-codes/regenerate', { code }), device };
      case 'disable':
        return { act: () => user.post('/mfa/disable', { code }), device };
    }
  }

  it.each(faultCases(FAULTS))(
    'S45 $flow: when $method of $part $mode, nothing is accepted or spent twice, and nobody is locked out',
    async ({ flow, ...fault }) => {
      const user = new Client(host, `faulty-${(users += 1)}`);
      const { act, device } = await prepare(flow, user);
      await injection.expectRefusal(fault, act);

      // The same once more: a code that was spent stays so, and succeeds once at the most.
      const again = await act();
      const third = await act();
      const repeatable = flow === 'setup' || flow === 'guarded route';
      if (!repeatable) expect([again, third].filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
      expect(again.status).toBeLessThan(500);

      // The owner gets in with the next code.
      host.clock.advance(60);
      if (device && (await user.get('/mfa/status')).body.enabled) {
        await user.verify(await user.login(), device.code()).expect(200);
      }
      expect(injection.unhandled).toEqual([]);
    },
  );
});
