import { randomBytes, randomUUID } from 'node:crypto';

/** The only source of randomness: the platform's CSPRNG. */
// S11
export abstract class MfaRandom {
  abstract bytes(length: number): Buffer;
  /** A random lower-case UUID (RFC 9562 version 4). */
  abstract id(): string;
}

export class SystemRandom extends MfaRandom {
  bytes(length: number): Buffer {
    return randomBytes(length);
  }

  id(): string {
    return randomUUID();
  }
}
