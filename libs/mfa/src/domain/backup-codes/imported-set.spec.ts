import { describe, expect, it } from 'vitest';
import { idsOf } from '../../import/imported-rows.js';
import { SystemRandom } from '../random.js';
import { isImportedSet } from './imported-set.js';

describe('isImportedSet', () => {
  it('is true for the set id that an import writes', () => {
    expect(['ada', 'bob', '7'].map((userId) => isImportedSet(idsOf(userId).setId))).toEqual([true, true, true]);
  });

  it('is false for random set ids, for other texts, and without a set', () => {
    const random = new SystemRandom();
    const own = Array.from({ length: 50 }, () => random.id());
    const others = ['', 'set-8', '8', '8'.repeat(36), null];
    expect([...own, ...others].filter(isImportedSet)).toEqual([]);
  });
});
