import { HOTP, URI, type TOTP } from 'otpauth';
import type { MfaClock } from '../domain/clock.js';

/** An authenticator app for tests: reads the `otpauth://` URI of a setup and shows codes. */
export class VirtualAuthenticator {
  private readonly totp: TOTP;

  constructor(
    otpauthUri: string,
    private readonly clock: MfaClock,
  ) {
    const parsed = URI.parse(otpauthUri);
    if (parsed instanceof HOTP) throw new TypeError('VirtualAuthenticator: the URI is not of TOTP');
    this.totp = parsed;
  }

  /** The code of the current step, or of one so many steps later or earlier. */
  code(steps = 0): string {
    return this.totp.generate({ timestamp: this.clock.nowMs() + steps * this.totp.period * 1000 });
  }
}
