import { expect, vi } from 'vitest';
import { MfaCleanupService } from 'nestjs-mfa';
import { MfaUserMoveStore } from '../../libs/mfa/src/domain/accounts/user-move.store.js';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import { MfaError } from '../../libs/mfa/src/domain/mfa-error.js';
import { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import { MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import type { Client } from './client.js';
import type { HostApp } from './host-app.js';

/** Everything that runs statements. */
export const STORES = [
  MfaAccountStore,
  MfaAuthenticatorStore,
  MfaBackupCodeStore,
  MfaPasskeyStore,
  MfaDeviceStore,
  MfaPolicySeenStore,
  MfaUsageStore,
  MfaVerificationStore,
  MfaUserMoveStore,
];

/** How everything behind the commit fails. */
const FAULTS = {
  throws: () => Promise.reject(new Error('injected fault')),
  'is busy': () => Promise.reject(new MfaError('MFA_BUSY', { retryAfterSeconds: 1 })),
  'returns undefined': () => Promise.resolve(undefined),
};
export type AfterCommitFault = keyof typeof FAULTS;
export const AFTER_COMMIT_FAULTS = Object.keys(FAULTS) as AfterCommitFault[];

/** The commit of a change, as the method of a store. */
const COMMIT = [MfaAccountStore, 'commit'] as const;

/** The names of all methods of a store, those of its base classes too: PostgreSQL has a subclass. */
export function methodsOf(store: object): string[] {
  const prototype = Object.getPrototypeOf(store) as object;
  if (prototype === Object.prototype) return [];
  return [...new Set([...Object.getOwnPropertyNames(prototype), ...methodsOf(prototype)])];
}

/** A database that fails right after the commit point of a change. */
export class AfterCommit {
  constructor(private readonly host: HostApp) {}

  port<T>(token: abstract new (...args: never[]) => T): T {
    return this.host.app.get(token as never, { strict: false });
  }

  /** After the first commit every method of every store fails, until the database is `healed`. */
  fail(fault: AfterCommitFault, [committing, method]: readonly [unknown, string] = COMMIT) {
    let dead = false;
    const failed: string[] = [];
    for (const token of STORES) {
      const store = this.port(token as never) as unknown as Record<string, (...args: unknown[]) => unknown>;
      for (const name of methodsOf(store)) {
        if (name === 'constructor' || typeof store[name] !== 'function') continue;
        const real = store[name].bind(store);
        // A store also has private methods that return no promise: they stay as they are.
        vi.spyOn(store, name).mockImplementation((...args: unknown[]) => {
          if (dead) {
            failed.push(name);
            return FAULTS[fault]();
          }
          const result = real(...args);
          if (token !== committing || name !== method) return result;
          return Promise.resolve(result).finally(() => (dead = true));
        });
      }
    }
    return {
      failed,
      healed: () => {
        dead = false;
        vi.restoreAllMocks();
      },
    };
  }

  async expectDelivered(type: string, { userId }: Client): Promise<void> {
    const { state } = this.host;
    await vi.waitFor(() =>
      expect(state.events.filter((event) => event.userId === userId).map((event) => event.type)).toContain(type),
    );
    expect(state.revocations).toContain(`${type} ${userId}`);
  }

  /** Long after every grace: the cleanup has put the rows right, and nothing that counts is gone. */
  async cleanUp(): Promise<void> {
    this.host.clock.advance(3_600);
    await this.port(MfaCleanupService).purge();
  }
}
