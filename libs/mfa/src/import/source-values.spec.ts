import { describe, expect, it } from 'vitest';
import { readFlag, readTimeMs } from './source-values.js';

describe('times', () => {
  const MS = Date.UTC(2026, 10, 1, 8, 15);
  it.each([
    new Date(MS),
    MS,
    MS / 1000,
    String(MS),
    String(MS / 1000),
    '2026-11-01T08:15:00Z',
    '2026-11-01T08:15:00.000Z',
    '2026-11-01 08:15:00',
    '2026-11-01 08:15:00.000000',
    '2026-11-01 08:15:00+00',
    '2026-11-01T10:15:00+02:00',
    '2026-11-01 03:45:00-0430',
  ])('%j is read', (value) => {
    expect(readTimeMs(value)).toBe(MS);
  });

  it.each([null, undefined, '', 'soon', 5, -1, new Date(NaN), '2026-13-45 99:00:00', {}, true])(
    '%j is none',
    (value) => {
      expect(readTimeMs(value)).toBeNull();
    },
  );
});

describe('flags', () => {
  it.each([true, 1, '1', 'true', 't', 'YES', new Date(Date.UTC(2024, 1)), '2024-02-01 10:00:00', 1_706_000_000])(
    '%j says yes',
    (value) => {
      expect(readFlag(value)).toBe(true);
    },
  );

  it.each([false, 0, null, undefined, '', '0', 'false', 'No'])('%j says no', (value) => {
    expect(readFlag(value)).toBe(false);
  });

  it.each(['pending', 'disabled', 2, -1, {}, 'active?'])(
    '%j says neither, and so must not be taken for either',
    (value) => {
      expect(readFlag(value)).toBeNull();
    },
  );
});
