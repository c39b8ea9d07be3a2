import { randomUUID } from 'node:crypto';
import type { Authenticator } from '../../libs/mfa/src/domain/authenticators/authenticator.js';
import type { BackupCode } from '../../libs/mfa/src/domain/backup-codes/backup-code.js';
import type { UsageEntry } from '../../libs/mfa/src/domain/usage/usage.js';

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

/** A backup code that nobody used. */
export function backupCode(userId: string, setId: string): BackupCode {
  return { id: randomUUID(), userId, setId, hash: 'sealed', usedAtMs: null, expiresAtMs: null };
}
