import { describe, expect, it } from 'vitest';
import { checkAttemptPolicy, DEFAULT_ATTEMPT_POLICY } from './attempt-budget.js';
import type { AttemptPolicy } from './attempt-policy.js';

const FIELDS = Object.keys(DEFAULT_ATTEMPT_POLICY) as (keyof AttemptPolicy)[];
const check = (change: object) => () => checkAttemptPolicy({ ...DEFAULT_ATTEMPT_POLICY, ...change }, 'attempts.totp');
const refusal = (text: string) =>
  expect.objectContaining({ code: 'MFA_MISCONFIGURED', message: expect.stringContaining(text) });

describe('checkAttemptPolicy', () => {
  it('accepts the default and the narrowest policy', () => {
    expect(check({})).not.toThrow();
    expect(check(Object.fromEntries(FIELDS.map((field) => [field, 1])))).not.toThrow();
  });

  it.each(
    FIELDS.flatMap((field) =>
      [0, -1, 1.5, Number.NaN, Infinity, 1e15, '5', null, undefined].map((value) => [field, value]),
    ),
  )('S54 refuses %s = %j by name', (field, value) => {
    expect(check({ [field as string]: value })).toThrow(
      refusal(`attempts.totp.${field as string} must be a whole number`),
    );
  });

  it('S54 refuses a first lock longer than the longest', () => {
    expect(check({ lockMs: 2000, maxLockMs: 1000 })).toThrow(refusal('attempts.totp.lockMs must not exceed'));
  });

  it('S54 refuses to disable before the first lock', () => {
    expect(check({ maxFailures: 6, disableAfter: 5 })).toThrow(refusal('attempts.totp.disableAfter must not be below'));
  });
});
