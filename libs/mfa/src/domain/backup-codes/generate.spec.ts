import { describe, expect, it } from 'vitest';
import { isBackupCodeShape, normaliseCode } from '../code.js';
import { MfaRandom, SystemRandom } from '../random.js';
import { generateBackupCodes } from './generate.js';

/** Answers with the given bytes, one request after the other, over and over. */
class ScriptedRandom extends MfaRandom {
  requests = 0;
  private next = 0;
  constructor(private readonly script: readonly number[]) {
    super();
  }
  bytes(length: number): Buffer {
    this.requests++;
    return Buffer.from(Array.from({ length }, () => this.script[this.next++ % this.script.length]!));
  }
  id(): string {
    return '';
  }
}

describe('generateBackupCodes', () => {
  it('S35 makes ten different codes of the unambiguous alphabet', () => {
    const codes = generateBackupCodes(new SystemRandom());
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^(?=.*[A-Z])[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}$/);
  });

  it('S35 makes codes that have the shape of a backup code once normalised', () => {
    const codes = generateBackupCodes(new SystemRandom(), { count: 500 });
    expect(codes).toHaveLength(500);
    expect(codes.map(normaliseCode).filter((code) => !isBackupCodeShape(code))).toEqual([]);
  });

  it('S35 makes codes of 13 symbols, 65 random bits, that have the shape of a backup code', () => {
    const codes = generateBackupCodes(new SystemRandom(), { count: 100, length: 13 });
    expect(new Set(codes).size).toBe(100);
    for (const code of codes) {
      expect(code).toMatch(/^(?=.*[A-Z])[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{5}$/);
      expect(isBackupCodeShape(normaliseCode(code))).toBe(true);
    }
  });

  it('S35 is unbiased: every byte value stands for one of 32 symbols, eight values for each', () => {
    const everyByte = Array.from({ length: 256 }, (_, index) => (index * 37) % 256);
    const counts = new Map<string, number>();
    const symbols = generateBackupCodes(new ScriptedRandom(everyByte), { count: 4 }).join('').replaceAll('-', '');
    for (const symbol of symbols) counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
    expect([counts.size, new Set(counts.values())]).toEqual([32, new Set([1])]);

    const all = everyByte.map(
      (byte) => generateBackupCodes(new ScriptedRandom([byte, 0, 0, 0, 0, 0, 0, 0]), { count: 1 })[0]![0]!,
    );
    const total = new Map<string, number>();
    for (const symbol of all) total.set(symbol, (total.get(symbol) ?? 0) + 1);
    expect([total.size, new Set(total.values())]).toEqual([32, new Set([8])]);
  });

  it('S35 draws again instead of giving out digits only, or the same code twice', () => {
    const digits = [24, 25, 26, 27, 28, 29, 30, 31];
    const first = [0, 1, 2, 3, 4, 5, 6, 7];
    const second = [8, 9, 10, 11, 12, 13, 14, 15];
    const random = new ScriptedRandom([...digits, ...first, ...first, ...second]);
    expect(generateBackupCodes(random, { count: 2 })).toEqual(['ABCD-EFGH', 'JKLM-NPQR']);
  });

  it('gives up on a source that only repeats itself, after a hundred draws a code', () => {
    const stuck = new ScriptedRandom([0]);
    expect(() => generateBackupCodes(stuck, { count: 2 })).toThrow('the same bytes');
    expect(stuck.requests).toBe(200);
  });
});
