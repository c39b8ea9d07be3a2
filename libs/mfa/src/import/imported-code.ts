import { type HashedCode, type HashedSpelling, HYPHENATED } from '../domain/backup-codes/hash-groups.js';
import { deterministicUuid } from '../domain/deterministic-uuid.js';

/** A backup code of another system as it is stored here. The same hash has the same id in every run. */
export function importedCode(userId: string, spelling: HashedSpelling, phc: string): HashedCode {
  const marked = spelling === 'hyphenated' ? HYPHENATED + phc : phc;
  return { id: deterministicUuid('imported backup code', userId, marked), phc: marked };
}
