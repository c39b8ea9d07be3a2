import { Inject, Injectable } from '@nestjs/common';
import { LEASE_MS } from '../domain/accounts/lease.js';
import { BackupCodeHasher } from '../domain/backup-codes/backup-code-hash.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import { generateBackupCodes } from '../domain/backup-codes/generate.js';
import { MfaClock } from '../domain/clock.js';
import { normaliseCode } from '../domain/code.js';
import { MfaRandom } from '../domain/random.js';
import { SecretBox } from '../domain/secrets/secret-box.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

/** A fresh set: stored, but dead until the account names it. */
export interface IssuedBackupCodes {
  setId: string;
  /** For the owner's eyes, once (S39). */
  codes: string[];
}

/** Makes and stores sets of backup codes. Which set counts is the account's to say. */
@Injectable()
export class BackupCodeIssuing {
  constructor(
    private readonly codes: MfaBackupCodeStore,
    private readonly hasher: BackupCodeHasher,
    private readonly box: SecretBox,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  async make(userId: string): Promise<IssuedBackupCodes> {
    const setId = this.random.id();
    const codes = generateBackupCodes(this.random, this.options.backupCodes.count);
    const hashes = await this.hasher.hashSet(codes.map(normaliseCode));
    const expiresAtMs = this.clock.nowMs() + LEASE_MS;
    await this.codes.add(
      hashes.map((phc) => {
        const id = this.random.id();
        const hash = this.box.seal(Buffer.from(phc), { purpose: 'backup-code', userId, credentialId: id });
        return { id, userId, setId, hash, usedAtMs: null, expiresAtMs };
      }),
    );
    return { setId, codes };
  }

  /** After the account named the set: it stays. */
  async keep(userId: string, setId: string): Promise<void> {
    await this.codes.expire(userId, setId, null);
  }

  /** Before the account drops the set: should this process die in between, the cleanup collects it. */
  async lease(userId: string, setId: string | null): Promise<void> {
    if (setId !== null) await this.codes.expire(userId, setId, this.clock.nowMs() + LEASE_MS);
  }

  async discard(userId: string, setId: string | null): Promise<void> {
    if (setId !== null) await this.codes.remove(userId, setId);
  }
}
