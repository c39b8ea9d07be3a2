import { Inject, Injectable } from '@nestjs/common';
import type { MfaKeyReport } from '../domain/secrets/key-report.js';
import { KeyRotation, type MfaKeyScanOptions } from '../domain/secrets/key-rotation.js';
import { SecretBox } from '../domain/secrets/secret-box.js';
import { MfaSealedValueStore } from '../domain/secrets/sealed-value.store.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

/** What `nestjs-mfa keys` does, within the application and with its own keys. */
@Injectable()
@ThrowsMfaException()
export class MfaKeyService {
  private readonly rotation: KeyRotation;

  constructor(values: MfaSealedValueStore, box: SecretBox, @Inject(MFA_RESOLVED_OPTIONS) options: ResolvedMfaOptions) {
    this.rotation = new KeyRotation(values, box, options.keyRing);
  }

  /**
   * Counts the rows of each key; opens nothing.
   * @throws MfaException `MFA_BUSY`; `MFA_BAD_REQUEST` for a batch size out of range
   */
  async status(options?: MfaKeyScanOptions): Promise<MfaKeyReport> {
    return this.rotation.status(options);
  }

  /** Opens every row with the application's keys. Errors as {@link status}. */
  async verify(options?: MfaKeyScanOptions): Promise<MfaKeyReport> {
    return this.rotation.verify(options);
  }

  /**
   * Re-encrypts every row that is not under the newest key. Verifications may run at the same time. May be interrupted and
   * repeated. The application itself is the proof of its newest key.
   * Errors as {@link status}.
   */
  // S62
  async rotate(options?: MfaKeyScanOptions): Promise<MfaKeyReport> {
    return this.rotation.rotate({ ...options, allowUnprovenKey: true });
  }
}
