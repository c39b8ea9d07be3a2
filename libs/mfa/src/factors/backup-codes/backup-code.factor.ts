import type { AccountSnapshot } from '../../domain/accounts/account.js';
import { Injectable } from '@nestjs/common';
import { BackupCodeHasher } from '../../domain/backup-codes/backup-code-hash.js';
import type { BackupCode } from '../../domain/backup-codes/backup-code.js';
import { isBackupCodeShape } from '../../domain/code.js';
import { BackupCodeIssuing } from './backup-code-issuing.js';
import type { SealedValue } from '../../domain/secrets/sealed-value.store.js';
import { SecretReader } from '../../domain/secrets/secret-box.js';
import {
  Factor,
  type Credential,
  type FactorEvaluation,
  type FactorMatch,
  type FactorState,
  type ProofShape,
} from '../../domain/factors/factor.js';
import type { Proof } from '../../domain/verification/proof.js';

/** One of the user's backup codes. */
@Injectable()
export class BackupCodeFactor extends Factor {
  readonly method = 'backup_code';
  readonly budget = 'backup_code';
  readonly rows = 'backup codes';
  override readonly isEnrollable = false;

  constructor(
    private readonly hasher: BackupCodeHasher,
    private readonly reader: SecretReader,
    private readonly issuing: BackupCodeIssuing,
  ) {
    super();
  }

  recognises(proof: Proof): ProofShape | null {
    return proof.kind === 'code' && isBackupCodeShape(proof.code) ? {} : null;
  }

  override isAvailable({ backupCodesRemaining }: AccountSnapshot): boolean {
    return backupCodesRemaining > 0;
  }

  async evaluate(proof: Proof, { snapshot: { account, backupCodes } }: FactorState): Promise<FactorEvaluation> {
    if (proof.kind !== 'code') return { match: null };
    const { backupSetId } = account;
    // Used codes are compared too, so that every guess costs the same (S37); spending refuses them.
    const id = await this.hasher.match(
      proof.code,
      backupCodes.flatMap((each) => this.reader.hashOf(each)),
      backupSetId,
    );
    // The set is for the compiler: without one nothing matches.
    if (id === null || backupSetId === null) return { match: null };
    const match: FactorMatch = {
      entry: { kind: 'backup_code', item: id, expiresAtMs: null },
      backupSetId,
      use: { rows: 'backup codes', id },
      // RFC 8176 has no value for a recovery code. `factor` names it.
      amr: ['mfa'],
      sealed: backupCodes.map(sealedValue),
    };
    return { match };
  }

  /** Backup codes are a set of the user, so they are no entries of the account row. */
  async describe(): Promise<Credential[]> {
    return [];
  }

  async rename(): Promise<boolean> {
    return false;
  }

  purge(userId: string): Promise<number> {
    return this.issuing.discardAll(userId);
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
