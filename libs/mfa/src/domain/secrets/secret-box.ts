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
  /** In the ring or not; `null` for formats that name none. */
  keyId: string | null;
}

/**
 * Seals what is stored and opens it again, each value for one place only. Writes v1; reads
 * v1 and the further `formats` it is given, none by default.
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

  /** The plaintext sealed with the newest key under a fresh nonce: printable ASCII. */
  seal(plaintext: Uint8Array, context: SealContext): string {
    return this.current.seal(plaintext, context);
  }

  /**
   * The plaintext, if the value is intact, of a known format and key, and sealed for this very
   * context. Otherwise throws `MFA_SECRET_UNREADABLE`: answer as to a wrong code, and log it.
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

  /** How the value was sealed, whether or not it can be opened. */
  originOf(sealed: string): SealedOrigin {
    const keyId = this.current.keyIdOf(sealed);
    if (keyId !== null) return { format: 'v1', keyId };
    return { format: isFernetShape(sealed) ? 'fernet' : 'unknown', keyId: null };
  }

  /** Whether `seal` would seal the value the same way today; what is not current should be reencrypted. */
  // S62
  isCurrent(sealed: string): boolean {
    return this.current.keyIdOf(sealed) === this.newestKeyId;
  }
}
