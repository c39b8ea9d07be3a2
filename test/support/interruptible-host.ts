import { createHash } from 'node:crypto';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import { BackupCodeHasher, type HashedCode } from '../../libs/mfa/src/domain/backup-codes/backup-code-hash.js';
import { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import { MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { InMemoryAccountStore } from './in-memory-account-store.js';
import { InMemoryDeviceStore } from './in-memory-device-store.js';
import { InMemoryMfaState } from './in-memory-state.js';
import { InMemoryAuthenticatorStore, InMemoryPasskeyStore } from './in-memory-credential-stores.js';
import { InMemoryBackupCodeStore, InMemoryPolicySeenStore, InMemoryUsageStore } from './in-memory-stores.js';
import { startHostApp, type HostApp } from './host-app.js';

export const sha256 = (code: string) => createHash('sha256').update(code).digest('hex');

/** As the real one, without the work. */
class QuickHasher {
  hashSet = (codes: readonly string[]) => Promise.resolve(codes.map(sha256));
  match = (code: string, hashes: readonly HashedCode[]) =>
    Promise.resolve(hashes.find(({ phc }) => phc === sha256(code))?.id ?? null);
}

/** A host whose stores are in memory, and which runs `pause` before and after each statement of them. */
export function startInterruptibleHost(pause: () => Promise<void>): Promise<HostApp> {
  const state = new InMemoryMfaState();
  const stores = [
    [MfaAccountStore, new InMemoryAccountStore(state)],
    [MfaAuthenticatorStore, new InMemoryAuthenticatorStore(state)],
    [MfaBackupCodeStore, new InMemoryBackupCodeStore(state)],
    [MfaPasskeyStore, new InMemoryPasskeyStore(state)],
    [MfaUsageStore, new InMemoryUsageStore(state)],
    [MfaPolicySeenStore, new InMemoryPolicySeenStore(state)],
    [MfaDeviceStore, new InMemoryDeviceStore(state)],
  ] as const;
  return startHostApp({
    override: (builder) => {
      builder.overrideProvider(BackupCodeHasher).useValue(new QuickHasher());
      for (const [token, store] of stores) builder.overrideProvider(token).useValue(paused(store, pause));
      return builder;
    },
  });
}

function paused<T extends object>(store: T, pause: () => Promise<void>): T {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        await pause();
        const result: unknown = await value.apply(target, args);
        await pause();
        return result;
      };
    },
  });
}
