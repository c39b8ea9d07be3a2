import type { AccountSnapshot, VerificationSnapshot } from '../../domain/accounts/account.js';
import { Injectable } from '@nestjs/common';
import { BackupCodeHasher } from '../../domain/backup-codes/backup-code-hash.js';
import type { BackupCode } from '../../domain/backup-codes/backup-code.js';
import { isBackupCodeShape } from '../../domain/code.js';
import { BackupCodeIssuing } from './backup-code-issuing.js';
import type { SealedValue } from '../../domain/secrets/sealed-value.store.js';
import { SecretReader } from '../../domain/secrets/secret-box.js';
import { MfaFactor, type CodeShape, type FactorEvaluation, type FactorMatch } from '../../domain/factors/mfa-factor.js';

/** One of the user's backup codes. */
@Injectable()
export class BackupCodeFactor extends MfaFactor {
  readonly method = 'backup_code';
  // RFC 8176 has no value for a recovery code. `factor` names it.
  readonly amr = ['mfa'];

  constructor(
    private readonly hasher: BackupCodeHasher,
    private readonly reader: SecretReader,
    private readonly issuing: BackupCodeIssuing,
  ) {
    super();
  }

  recognises(code: string): CodeShape | null {
    return isBackupCodeShape(code) ? {} : null;
  }

  async evaluate(code: string, { account, backupCodes }: VerificationSnapshot): Promise<FactorEvaluation> {
    const { backupSetId } = account;
    // Used codes are compared too, so that every guess costs the same (S37); spending refuses them.
    const id = await this.hasher.match(
      code,
      backupCodes.flatMap((each) => this.reader.hashOf(each)),
      backupSetId,
    );
    // The set is for the compiler: without one nothing matches.
    if (id === null || backupSetId === null) return { match: null };
    const match: FactorMatch = {
      entry: { kind: 'backup_code', item: id, expiresAtMs: null },
      backupSetId,
      credentialId: id,
      sealed: backupCodes.map(sealedValue),
    };
    return { match };
  }

  startGrace({ account }: AccountSnapshot): Promise<void> {
    return this.issuing.startGrace(account.userId, account.backupSetId);
  }

  forget({ account }: AccountSnapshot): Promise<void> {
    return this.issuing.discard(account.userId, account.backupSetId);
  }
}

function sealedValue({ id, userId, hash }: BackupCode): SealedValue {
  return { purpose: 'backup-code', userId, credentialId: id, sealed: hash };
}
