import { timingSafeEqual } from 'node:crypto';
// A static import: without its binary, the application fails at start and not at the first login.
import argon2 from 'argon2';
import type { MfaRandom } from '../random.js';
import type { HashQueue } from './hash-queue.js';
import { encodePhc, type PhcHash } from './phc.js';
import { groupsOfSet, type HashedCode, type HashGroup, spell } from './hash-groups.js';

export type { HashedCode } from './hash-groups.js';

/** Argon2id as OWASP recommends it: 19 MiB, two passes, one lane. */
// S36
const OWN = { memoryKib: 19_456, passes: 2, parallelism: 1 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** Hashes and matches backup codes. All work goes through the queue, which throws `MFA_BUSY` when it is full. */
// S58
export class BackupCodeHasher {
  constructor(
    private readonly queue: HashQueue,
    private readonly random: MfaRandom,
  ) {}

  /**
   * Returns one PHC string for each code, in order. All share one new salt, so an attempt needs one hash for any number
   * of codes. The set takes one place in the queue, so `MFA_BUSY` is thrown before the first hash or not at all.
   */
  // S36, S37
  hashSet(normalisedCodes: readonly string[]): Promise<string[]> {
    const salt = this.random.bytes(SALT_BYTES);
    return this.queue.run(async () => {
      const phcs: string[] = [];
      for (const code of normalisedCodes) {
        const parameters = { ...OWN, salt, hash: Buffer.alloc(HASH_BYTES) };
        phcs.push(encodePhc({ ...parameters, hash: await argon2id(code, parameters) }));
      }
      return phcs;
    });
  }

  /**
   * Finds the code that was given. Does not spend it.
   *
   * A guess at a set of our own costs one Argon2, also without a set or a usable hash. A guess at an imported
   * set costs one for each salt, within the bounds of {@link groupsOfSet}.
   * @param setId the set of the hashes: its kind decides how they are compared
   * @returns the id of the code, or `null`
   * @throws MfaError `MFA_BUSY` when the hashing queue is full
   */
  // S37
  match(normalisedCode: string, hashes: readonly HashedCode[], setId: string | null): Promise<string | null> {
    const known = groupsOfSet(setId, hashes);
    const groups = known.length > 0 ? known : [dummyGroup()];
    return this.queue.run(async () => {
      let matched: string | null = null;
      for (const { spelling, parameters, targets } of groups) {
        const given = await argon2id(spell(normalisedCode, spelling), parameters);
        // No early exit: the time must not depend on which code matched.
        for (const { id, hash } of targets) if (timingSafeEqual(given, hash)) matched ??= id;
      }
      return matched;
    });
  }
}

/** A group without codes, so that an attempt against no codes takes the same time as any other. */
// S37
function dummyGroup(): HashGroup {
  const parameters = { ...OWN, salt: Buffer.alloc(SALT_BYTES), hash: Buffer.alloc(HASH_BYTES) };
  return { spelling: 'plain', parameters, targets: [] };
}

function argon2id(code: string, { memoryKib, passes, parallelism, salt, hash }: PhcHash): Promise<Buffer> {
  return argon2.hash(code, {
    type: argon2.argon2id,
    version: 0x13,
    memoryCost: memoryKib,
    timeCost: passes,
    parallelism,
    salt,
    hashLength: hash.length,
    raw: true,
  });
}
