import { Inject, Injectable } from '@nestjs/common';
import { ORPHAN_GRACE_MS } from '../../domain/accounts/orphan-grace.js';
import { BackupCodeHasher } from '../../domain/backup-codes/backup-code-hash.js';
import { MfaBackupCodeStore } from '../../domain/backup-codes/backup-code.store.js';
import { generateBackupCodes } from '../../domain/backup-codes/generate.js';
import { MfaClock } from '../../domain/clock.js';
import { normaliseCode } from '../../domain/code.js';
import { busyError } from '../../domain/mfa-error.js';
import { MfaRandom } from '../../domain/random.js';
import { SecretBox } from '../../domain/secrets/secret-box.js';
import type { UsageEntry } from '../../domain/usage/usage.js';
import { MfaUsageStore } from '../../domain/usage/usage.store.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';

/** A new set: stored, but dead until the account names it. */
export interface IssuedBackupCodes {
  setId: string;
  /** Shown to the owner once. */
  // S39
  codes: string[];
  /** When the cleanup may collect the set, unless the account names it by then. */
  heldUntilMs: number;
}

/** Makes and stores sets of backup codes. The account row names the set that counts. */
@Injectable()
export class BackupCodeIssuing {
  constructor(
    private readonly codes: MfaBackupCodeStore,
    private readonly usage: MfaUsageStore,
    private readonly hasher: BackupCodeHasher,
    private readonly box: SecretBox,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Makes a new set before the code that proves the change is spent. Returns `null` if that code is spent already, so that
   * sending it again costs no hashing.
   * @param entry what spends the code; `undefined` = nothing is left to spend
   * @throws MfaError `MFA_BUSY` when the hashing queue is full
   */
  // S58
  async makeFor(userId: string, entry: UsageEntry | undefined): Promise<IssuedBackupCodes | null> {
    return entry && (await this.usage.has(userId, entry)) ? null : this.make(userId);
  }

  private async make(userId: string): Promise<IssuedBackupCodes> {
    const setId = this.random.id();
    const codes = generateBackupCodes(this.random, this.options.backupCodes);
    const hashes = await this.hasher.hashSet(codes.map(normaliseCode));
    const heldUntilMs = this.clock.nowMs() + ORPHAN_GRACE_MS;
    await this.codes.add(
      hashes.map((phc) => {
        const id = this.random.id();
        const hash = this.box.seal(Buffer.from(phc), { purpose: 'backup-code', userId, credentialId: id });
        return { id, userId, setId, hash, usedAtMs: null, expiresAtMs: heldUntilMs };
      }),
    );
    return { setId, codes, heldUntilMs };
  }

  /**
   * Call it before each commit that names the set. The cleanup raises `row_version` before it removes a set, so a commit
   * after that fails. So a set that was within its grace when the account was read exists when the commit succeeds.
   * @throws MfaError `MFA_BUSY` when the change waited for longer than the grace: the set may be gone
   */
  requireHeld({ heldUntilMs }: IssuedBackupCodes): void {
    if (this.clock.nowMs() >= heldUntilMs) throw busyError();
  }

  /** After the account named the set: it stays. */
  async keep(userId: string, setId: string): Promise<void> {
    await this.codes.collectAfter(userId, setId, null);
  }

  /** Gives the old set an expiry before the switch, in case this process ends before it deletes the set. */
  async startGrace(userId: string, setId: string | null): Promise<void> {
    if (setId !== null) await this.codes.collectAfter(userId, setId, this.clock.nowMs() + ORPHAN_GRACE_MS);
  }

  /** Returns how many codes there were. */
  discardAll(userId: string): Promise<number> {
    return this.codes.removeAll(userId);
  }

  async discard(userId: string, setId: string | null): Promise<void> {
    if (setId !== null) await this.codes.remove(userId, setId);
  }
}
