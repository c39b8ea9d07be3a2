import type { MfaClock } from '../clock.js';
import { isMfaError } from '../mfa-error.js';
import { fromBase32 } from '../totp/totp.js';
import { isFernetShape, openFernet, type FernetKeyPair } from './fernet.js';
import { type SealContext, type SealedFormat, unreadable } from './sealed-format.js';

/** The keys of accepted Fernet tokens, and the end of their acceptance. */
export interface FernetReading {
  keyPairs: readonly FernetKeyPair[];
  /** From this time, in epoch milliseconds, every token is refused. */
  untilMs: number;
}

/**
 * Decrypts TOTP secrets that another service stored as Fernet tokens of their base32 text. A Fernet token is not bound to
 * a row, so somebody who can write the table can move it. Therefore it is opt-in, limited to TOTP secrets and to a time.
 */
// S10
export class FernetFormat implements SealedFormat {
  constructor(
    private readonly reading: FernetReading,
    private readonly clock: MfaClock,
  ) {}

  recognises(sealed: string): boolean {
    return isFernetShape(sealed);
  }

  open(sealed: string, { purpose }: SealContext): Buffer {
    if (purpose !== 'totp-secret') throw unreadable('a Fernet token may hold a TOTP secret only');
    if (this.clock.nowMs() >= this.reading.untilMs) throw unreadable('the time of option `fernet.until` is over');
    return base32Secret(this.message(sealed));
  }

  /** Tries every key, like Python's MultiFernet, because a token does not name its key. */
  private message(sealed: string): Buffer {
    const { keyPairs } = this.reading;
    for (const [index, pair] of keyPairs.entries()) {
      try {
        return openFernet(sealed, pair);
      } catch (error) {
        if (!isMfaError(error) || index === keyPairs.length - 1) throw error;
      }
    }
    // Never reached: the option refuses an empty list.
    throw unreadable('there is no Fernet key');
  }
}

function base32Secret(message: Buffer): Buffer {
  try {
    return Buffer.from(fromBase32(message.toString('utf8')));
  } catch (cause) {
    throw unreadable('the Fernet token holds no base32', cause);
  }
}
