import type { MfaClock } from '../clock.js';
import { isMfaError } from '../mfa-error.js';
import { fromBase32 } from '../totp/totp.js';
import { isFernetShape, openFernet, type FernetKeyPair } from './fernet.js';
import { type SealContext, type SealedFormat, unreadable } from './sealed-format.js';

/** Which Fernet tokens are read, and for how long. */
export interface FernetReading {
  keyPairs: readonly FernetKeyPair[];
  /** From then on every token is refused, in epoch milliseconds. */
  untilMs: number;
}

/**
 * Reads TOTP secrets that another service stored as Fernet tokens of their base32 text. Fernet binds a token to no
 * row, so whoever can write the table could move one: opt-in, for TOTP secrets only, and for a limited time.
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

  /** A token names no key: each is tried, as Python's MultiFernet does. */
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
