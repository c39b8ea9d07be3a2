import { isImportedSet } from './imported-set.js';
import { decodeHash, encodePhc, parsePhc, type PhcHash, splitPhc } from './phc.js';

/** The spelling of a code that was hashed: this library hashes it without the hyphen, other systems hashed `XXXX-XXXX`. */
export type HashedSpelling = 'plain' | 'hyphenated';

/** The mark before the PHC string of a hash that was made over the hyphenated code. */
export const HYPHENATED = 'hyphenated:';

/** An imported set has a salt, and so a group, for each of its codes. Ten codes are usual. */
const MAX_GROUPS = 10;

/**
 * The most work of one attempt, in KiB × passes, over all groups of a set: ten hashes with the defaults of argon2-cffi
 * (64 MiB, 3 passes) and a quarter more. It is about 64 times one hash of this library.
 */
// S58
const MAX_WORK = 2_500_000;

/** A stored code, decrypted. */
export interface HashedCode {
  id: string;
  /** What was sealed: an Argon2id PHC string, after {@link HYPHENATED} where the hyphenated code was hashed. */
  phc: string;
}

/** Parameters for the hash of an attempt, and the hashes to compare it with. */
export interface HashGroup {
  spelling: HashedSpelling;
  parameters: PhcHash;
  targets: { id: string; hash: Buffer }[];
}

/** A normalised code in the spelling that was hashed. */
export function spell(normalisedCode: string, spelling: HashedSpelling): string {
  return spelling === 'plain' ? normalisedCode : `${normalisedCode.slice(0, 4)}-${normalisedCode.slice(4)}`;
}

/**
 * The groups that a guess at a set is compared with. A set of our own has one group at most. An imported set has one for
 * each salt, within the bounds of {@link hashGroupsOf}.
 */
export function groupsOfSet(setId: string | null, hashes: readonly HashedCode[]): HashGroup[] {
  return isImportedSet(setId) ? hashGroupsOf(hashes) : ownGroupOf(hashes);
}

/**
 * The group of a set of our own. Its codes share salt and parameters, so one PHC string is parsed for all of them. Most
 * rows decide which salt that is: a damaged row, or one of another set, matches nothing and disturbs nothing.
 */
function ownGroupOf(hashes: readonly HashedCode[]): HashGroup[] {
  for (const codes of bySharedPart(hashes)) {
    for (const code of codes) {
      const [group] = hashGroupsOf([code]);
      if (group) return [{ ...group, targets: codes.flatMap(targetOf) }];
    }
  }
  return [];
}

/** Codes with the same salt, parameters and length of the hash; the most numerous ones first. */
function bySharedPart(hashes: readonly HashedCode[]): HashedCode[][] {
  const parts = new Map<string, HashedCode[]>();
  for (const code of hashes) {
    const { shared, hash } = splitPhc(code.phc);
    const key = `${hash.length} ${shared}`;
    parts.set(key, [...(parts.get(key) ?? []), code]);
  }
  return [...parts.values()].toSorted((a, b) => b.length - a.length);
}

function targetOf({ id, phc }: HashedCode): HashGroup['targets'] {
  const hash = decodeHash(splitPhc(phc).hash);
  return hash ? [{ id, hash }] : [];
}

/**
 * The groups of an imported set, each of them one Argon2 a guess: at most ten, and no more than {@link MAX_WORK} together.
 * Hashes that are unusable, or beyond the bounds, are in none of them and match nothing.
 */
export function hashGroupsOf(hashes: readonly HashedCode[]): HashGroup[] {
  const groups = new Map<string, HashGroup>();
  let work = 0;
  for (const { id, phc } of hashes) {
    const parsed = parse(phc);
    if (parsed === null) continue;
    const known = groups.get(parsed.key);
    const cost = parsed.parameters.memoryKib * parsed.parameters.passes;
    if (!known && (groups.size === MAX_GROUPS || work + cost > MAX_WORK)) continue;
    const group = known ?? { ...parsed, targets: [] };
    // Counting each code of a group would only be stricter.
    if (!known) work += cost;
    group.targets.push({ id, hash: parsed.parameters.hash });
    groups.set(parsed.key, group);
  }
  return [...groups.values()].map(({ spelling, parameters, targets }) => ({ spelling, parameters, targets }));
}

function parse(text: string): { key: string; spelling: HashedSpelling; parameters: PhcHash } | null {
  const spelling = text.startsWith(HYPHENATED) ? 'hyphenated' : 'plain';
  const parameters = parsePhc(spelling === 'plain' ? text : text.slice(HYPHENATED.length));
  if (parameters === null) return null;
  // Codes of one spelling, one salt and one set of parameters are compared with one hash of the guess.
  const key = spelling + encodePhc({ ...parameters, hash: Buffer.alloc(parameters.hash.length) });
  return { key, spelling, parameters };
}
