import { createHash, randomUUID } from 'node:crypto';
import type { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import type { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import type { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import type { TrustedDevice } from '../../libs/mfa/src/domain/devices/device.js';
import type { MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import type { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import type { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import type { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import type { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import type { VerificationStores } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import type { Authenticator } from '../../libs/mfa/src/domain/authenticators/authenticator.js';
import type { BackupCode } from '../../libs/mfa/src/domain/backup-codes/backup-code.js';
import type { Passkey } from '../../libs/mfa/src/domain/passkeys/passkey.js';
import type { UsageEntry } from '../../libs/mfa/src/domain/usage/usage.js';

/** The stores of one database. */
export interface Stores {
  accounts: MfaAccountStore;
  authenticators: MfaAuthenticatorStore;
  backupCodes: MfaBackupCodeStore;
  passkeys: MfaPasskeyStore;
  usage: MfaUsageStore;
  policiesSeen: MfaPolicySeenStore;
  devices: MfaDeviceStore;
}

/** The stores of one database, and the store of the two steps around a code. */
export interface VerificationFixture extends VerificationStores {
  verification: MfaVerificationStore;
}

const NOW = 1_800_000_000_000;

/** Something to be spent. */
export function entry(
  kind: UsageEntry['kind'],
  item: string = randomUUID(),
  expiresAtMs: number | null = NOW + 60_000,
): UsageEntry {
  return { kind, item, expiresAtMs };
}

/** An authenticator without a life of its own. */
export function authenticator(userId: string, rest: Partial<Authenticator> = {}): Authenticator {
  return {
    id: randomUUID(),
    userId,
    name: 'Phone',
    secret: 'sealed',
    algorithm: 'SHA1',
    digits: 6,
    periodSeconds: 30,
    createdAtMs: NOW,
    confirmedAtMs: null,
    lastUsedAtMs: null,
    expiresAtMs: null,
    setupBinding: null,
    ...rest,
  };
}

/** A passkey that nobody used. */
export function passkey(userId: string, rest: Partial<Passkey> = {}): Passkey {
  const credentialId = randomUUID();
  return {
    id: randomUUID(),
    userId,
    credentialId,
    credentialHash: hash(credentialId),
    publicKey: 'pQECAyYgASFYIA',
    counter: 0,
    transports: ['usb'],
    ...{ backupEligible: false, backedUp: false, userVerified: false },
    aaguid: '00000000-0000-0000-0000-000000000000',
    name: 'Key',
    ...{ createdAtMs: NOW, lastUsedAtMs: null, expiresAtMs: null },
    ...rest,
  };
}

/** A device of an account at the security stamp `NOW`. */
export function device(userId: string, rest: Partial<TrustedDevice> = {}): TrustedDevice {
  return {
    ...{ id: randomUUID(), userId, kind: 'cookie' },
    ...{ lookupHash: hash(randomUUID()), secretHash: hash(randomUUID()), previousHash: null, rotatedAtMs: null },
    ...{ keyId: 'k1', securityStamp: NOW, credentialVersion: 'version', method: 'totp', label: 'Firefox' },
    ...{ createdAtMs: NOW, lastUsedAtMs: NOW, expiresAtMs: NOW + 60_000, mfaAtMs: NOW },
    ...rest,
  };
}

/** SHA-256 (hex). */
export function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A backup code that nobody used. */
export function backupCode(userId: string, setId: string): BackupCode {
  return { id: randomUUID(), userId, setId, hash: 'sealed', usedAtMs: null, expiresAtMs: null };
}
