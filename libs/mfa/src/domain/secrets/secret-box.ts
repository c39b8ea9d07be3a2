import { isMfaError } from '../mfa-error.js';
import type { MfaRandom } from '../random.js';
import type { KeyRing } from './key-ring.js';
import { type SealContext, type SealedFormat, unreadable } from './sealed-format.js';
import { SealedV1 } from './sealed-v1.js';

export type { SealContext, SealedFormat } from './sealed-format.js';

/**
 * Seals what is stored and opens it again, each value for one place only (S1, S2). Writes v1; reads
 * v1 and the further `formats` it is given, none by default (S10).
 */
export class SecretBox {
  private readonly current: SealedV1;
  private readonly formats: readonly SealedFormat[];

  constructor(ring: KeyRing, random: MfaRandom, formats: readonly SealedFormat[] = []) {
    this.current = new SealedV1(ring, random);
    this.formats = [this.current, ...formats];
  }

  /** The plaintext sealed with the newest key under a fresh nonce: printable ASCII. */
  seal(plaintext: Uint8Array, context: SealContext): string {
    return this.current.seal(plaintext, context);
  }

  /**
   * The plaintext, if the value is intact, of a known format and key, and sealed for this very
   * context. Otherwise throws `MFA_SECRET_UNREADABLE`: answer as to a wrong code, and log it (S3, S63).
   */
  open(sealed: string, context: SealContext): Buffer {
    const format = this.formats.find((candidate) => typeof sealed === 'string' && candidate.recognises(sealed));
    if (format === undefined) throw unreadable('its format is unknown or not enabled');
    try {
      return format.open(sealed, context);
    } catch (error) {
      throw isMfaError(error) ? error : unreadable('its format failed', error);
    }
  }

  /** The id of the key that sealed the value; `null` when it is not of the current format: a re-encryption's question (S62). */
  keyIdOf(sealed: string): string | null {
    return this.current.keyIdOf(sealed);
  }
}
