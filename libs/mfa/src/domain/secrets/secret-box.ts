import type { Authenticator } from '../authenticators/authenticator.js';
import type { BackupCode } from '../backup-codes/backup-code.js';
import type { HashedCode } from '../backup-codes/hash-groups.js';
import { isMfaError } from '../mfa-error.js';
import type { MfaRandom } from '../random.js';
import { isFernetShape } from './fernet.js';
import type { KeyRing } from './key-ring.js';
import { type SealContext, type SealedFormat, unreadable } from './sealed-format.js';
import { SealedV1 } from './sealed-v1.js';

export type { SealContext, SealedFormat } from './sealed-format.js';

/** The format of a sealed value, and the key that it names. */
export interface SealedOrigin {
  format: 'v1' | 'fernet' | 'unknown';
  /** The id of the key, in the ring or not. `null` = the format has no key ids. */
  keyId: string | null;
}

/**
 * Seals (encrypts) stored values and opens them. A sealed value can be opened only with its own context. It writes v1,
 * and reads v1 and the given `formats`.
 */
// S1, S2, S10
export class SecretBox {
  private readonly current: SealedV1;
  private readonly formats: readonly SealedFormat[];

  private readonly newestKeyId: string;

  constructor(ring: KeyRing, random: MfaRandom, formats: readonly SealedFormat[] = []) {
    this.newestKeyId = ring.newest.id;
    this.current = new SealedV1(ring, random);
    this.formats = [this.current, ...formats];
  }

  /** Seals a plaintext with the newest key and a new nonce. Returns printable ASCII. */
  seal(plaintext: Uint8Array, context: SealContext): string {
    return this.current.seal(plaintext, context);
  }

  /**
   * Opens a value that is intact, has a known format and key, and was sealed for this context.
   * @throws MfaError `MFA_SECRET_UNREADABLE` otherwise. Treat it like a wrong code, and log it
   */
  // S3, S63
  open(sealed: string, context: SealContext): Buffer {
    const format = this.formats.find((candidate) => typeof sealed === 'string' && candidate.recognises(sealed));
    if (format === undefined) throw unreadable('its format is unknown or not enabled');
    try {
      return format.open(sealed, context);
    } catch (error) {
      throw isMfaError(error) ? error : unreadable('its format failed', error);
    }
  }

  /** The format and the key id of a value, also if it cannot be opened. */
  originOf(sealed: string): SealedOrigin {
    const keyId = this.current.keyIdOf(sealed);
    if (keyId !== null) return { format: 'v1', keyId };
    return { format: isFernetShape(sealed) ? 'fernet' : 'unknown', keyId: null };
  }

  /** Whether the value is sealed with the newest key in the current format. If not, re-encrypt it. */
  // S62
  isCurrent(sealed: string): boolean {
    return this.current.keyIdOf(sealed) === this.newestKeyId;
  }
}

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
