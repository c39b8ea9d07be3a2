import { Inject, Injectable } from '@nestjs/common';
import type { MfaKeyReport } from '../domain/secrets/key-report.js';
import { KeyRotation, type MfaKeyScanOptions } from '../domain/secrets/key-rotation.js';
import { SecretBox } from '../domain/secrets/secret-box.js';
import { MfaSealedValueStore } from '../domain/secrets/sealed-value.store.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

/**
 * Counts, checks and re-encrypts rows by their encryption key. It does the same as the command `nestjs-mfa keys`, inside
 * the application and with its keys.
 * @example
 * // After a deployment with a new first key:
 * const { outdated, unreadable } = await this.keys.rotate();
 */
@Injectable()
@ThrowsMfaException()
export class MfaKeyService {
  private readonly rotation: KeyRotation;

  constructor(values: MfaSealedValueStore, box: SecretBox, @Inject(MFA_RESOLVED_OPTIONS) options: ResolvedMfaOptions) {
    this.rotation = new KeyRotation(values, box, options.keyRing);
  }

  /**
   * Counts the rows of each key without decrypting them.
   * @throws MfaException `MFA_BUSY`; `MFA_BAD_REQUEST` for a batch size out of range
   */
  async status(options?: MfaKeyScanOptions): Promise<MfaKeyReport> {
    return this.rotation.status(options);
  }

  /** Decrypts every row with the application's keys and reports the rows that fail. Errors as {@link status}. */
  async verify(options?: MfaKeyScanOptions): Promise<MfaKeyReport> {
    return this.rotation.verify(options);
  }

  /**
   * Re-encrypts every row that is not under the newest key. Verifications may run at the same time. You can interrupt it
   * and run it again. Errors as {@link status}.
   */
  // S62
  async rotate(options?: MfaKeyScanOptions): Promise<MfaKeyReport> {
    // The application uses this key itself, so its secret needs no other proof.
    return this.rotation.rotate({ ...options, allowUnprovenKey: true });
  }
}
