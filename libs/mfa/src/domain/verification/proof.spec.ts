import { describe, expect, it } from 'vitest';
import { amrAfterProof } from './proof.js';

describe('amrAfterProof', () => {
  it.each([
    ['adds the proof to the first factor', ['pwd'], ['otp', 'mfa'], ['pwd', 'otp', 'mfa']],
    ['replaces an earlier one-time password by a backup code', ['pwd', 'otp', 'mfa'], ['mfa'], ['pwd', 'mfa']],
    ['replaces an earlier hardware key', ['pwd', 'hwk', 'user', 'mfa'], ['otp', 'mfa'], ['pwd', 'otp', 'mfa']],
    ['keeps what is not about the second factor, once', ['fed', 'geo', 'fed'], ['mfa'], ['fed', 'geo', 'mfa']],
    ['starts from nothing', [], ['otp', 'mfa'], ['otp', 'mfa']],
  ])('S49 %s', (_, session, proof, expected) => {
    expect(amrAfterProof(session, proof)).toEqual(expected);
  });
});
