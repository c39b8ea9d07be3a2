import type { Authenticator } from '../authenticators/authenticator.js';
import type { BackupCode } from '../backup-codes/backup-code.js';
import type { HashedCode } from '../backup-codes/hash-groups.js';
import { isMfaError } from '../mfa-error.js';
import type { SealContext, SecretBox } from './secret-box.js';

/**
 * Opens stored secrets. A value that cannot be opened is reported to the operator and returned as `null`, so that it
 * denies like a wrong code.
 */
// S3
export class SecretReader {
  constructor(
    private readonly box: SecretBox,
    private readonly report: (message: string) => void,
  ) {}

  /** The plaintext, or `null` when it cannot be opened. */
  open(sealed: string, context: SealContext): Buffer | null {
    try {
      return this.box.open(sealed, context);
    } catch (error) {
      if (!isMfaError(error)) throw error;
      this.report(`A stored ${context.purpose} cannot be opened (row ${context.credentialId}): ${error.message}`);
      return null;
    }
  }

  /** The secret of a TOTP authenticator in bytes, or `null` when it cannot be opened. */
  secretOf({ id, userId, secret }: Authenticator): Buffer | null {
    return this.open(secret, { purpose: 'totp-secret', userId, credentialId: id });
  }

  /** The hash of a backup code. The list is empty when it cannot be opened. */
  hashOf({ id, userId, hash }: BackupCode): HashedCode[] {
    const phc = this.open(hash, { purpose: 'backup-code', userId, credentialId: id });
    return phc ? [{ id, phc: phc.toString('utf8') }] : [];
  }
}
