import { Injectable } from '@nestjs/common';
import type { AccountSnapshot } from '../../domain/accounts/account.js';
import { BackupCodeHasher, type HashedCode } from '../../domain/backup-codes/backup-code-hash.js';
import type { BackupCode } from '../../domain/backup-codes/backup-code.js';
import { MfaBackupCodeStore } from '../../domain/backup-codes/backup-code.store.js';
import { isBackupCodeShape } from '../../domain/code.js';
import { SecretReader } from '../../totp/secret-reader.js';
import { MfaFactor, type FactorMatch } from '../mfa-factor.js';

/** One of the user's backup codes. */
@Injectable()
export class BackupCodeFactor extends MfaFactor {
  readonly method = 'backup_code';
  // RFC 8176 has no value for a recovery code; `factor` tells.
  readonly amr = ['mfa'];

  constructor(
    private readonly codes: MfaBackupCodeStore,
    private readonly hasher: BackupCodeHasher,
    private readonly reader: SecretReader,
  ) {
    super();
  }

  recognises(code: string): boolean {
    return isBackupCodeShape(code);
  }

  async match(code: string, { account }: AccountSnapshot): Promise<FactorMatch | null> {
    const { userId, backupSetId } = account;
    const stored = backupSetId === null ? [] : await this.codes.list(userId, backupSetId);
    // Used codes are compared too, so that every guess costs the same (S37); spending refuses them.
    const id = await this.hasher.match(
      code,
      stored.flatMap((each) => this.unseal(each)),
    );
    if (id === null || backupSetId === null) return null;
    return {
      entry: { kind: 'backup_code', item: id, expiresAtMs: null },
      backupSetId,
      noteUse: (atMs) => this.codes.markUsed(userId, id, atMs),
    };
  }

  private unseal({ id, userId, hash }: BackupCode): HashedCode[] {
    const phc = this.reader.open(hash, { purpose: 'backup-code', userId, credentialId: id });
    return phc ? [{ id, phc: phc.toString('utf8') }] : [];
  }
}
