import { describe, expect, it } from 'vitest';
import { counterVerdict, passkeyAmr } from './passkey-rules.js';

describe('counterVerdict', () => {
  it.each([
    // stored, received, device-bound, synchronised
    [0, 0, 'accept', 'record'],
    [0, 1, 'advance', 'record'],
    [5, 6, 'advance', 'record'],
    [5, 0xffffffff, 'advance', 'record'],
    [5, 5, 'clone', 'record'],
    [5, 4, 'clone', 'record'],
    [5, 0, 'clone', 'record'],
  ])('S83 after %i, a received %i gives %s for a device-bound key and %s for a synchronised one', (...row) => {
    const [stored, received, bound, synced] = row;
    expect(counterVerdict({ stored, received, backupEligible: false })).toBe(bound);
    expect(counterVerdict({ stored, received, backupEligible: true })).toBe(synced);
  });

  it('S83 refuses no counter of a synchronised key', () => {
    const counters = [0, 1, 2, 7, 0xffffffff];
    const verdicts = counters.flatMap((stored) =>
      counters.map((received) => counterVerdict({ stored, received, backupEligible: true })),
    );
    expect(verdicts).not.toContain('clone');
  });
});

describe('passkeyAmr', () => {
  it.each([
    [false, ['hwk', 'user', 'mfa']],
    [true, ['swk', 'user', 'mfa']],
  ])('S87 for a passkey with backup eligibility %j is %j', (backupEligible, amr) => {
    expect(passkeyAmr({ backupEligible })).toEqual(amr);
  });
});
