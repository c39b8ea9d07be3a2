import { describe, expect, it } from 'vitest';
import { readPolicy } from './read-policy.js';

const read = (given: unknown) => readPolicy(given, 'MfaHost.policy', ['totp', 'passkey']);
const POLICY = { id: 'staff', required: true };
const TEN_YEARS = 10 * 366 * 24 * 60 * 60;
const ID = 'MfaHost.policy.id must be 1 to 64 printable ASCII characters without spaces';
const GRACE = 'MfaHost.policy.graceSeconds must be a whole number from 0 to 316224000';
const DEADLINE = 'MfaHost.policy.deadline must be a Date, or ISO 8601 text with a time zone';

describe('readPolicy', () => {
  it('adds what is left out', () => {
    const expected = {
      ...{ ...POLICY, graceMs: 0, deadlineMs: null, methods: null },
      ...{ backupCodes: true, trustedDevices: true },
    };
    expect(read(POLICY)).toEqual(expected);
    const nothing = {
      ...{ graceSeconds: null, deadline: undefined, methods: null },
      ...{ backupCodes: null, trustedDevices: null },
    };
    expect(read({ ...POLICY, ...nothing })).toEqual(expected);
    expect(read({ ...POLICY, required: false })).toEqual({ ...expected, required: false });
  });

  it('S101 counts no grace time where only a deadline is given', () => {
    const deadline = new Date('2027-01-01T00:00:00Z');
    expect(read({ ...POLICY, deadline })).toMatchObject({ graceMs: Infinity, deadlineMs: deadline.getTime() });
    expect(read({ ...POLICY, deadline: '2027-01-01T00:00:00Z', graceSeconds: 60 })).toMatchObject({
      graceMs: 60_000,
      deadlineMs: deadline.getTime(),
    });
  });

  it('takes every value at its limit', () => {
    expect(read({ ...POLICY, id: 'x'.repeat(64), graceSeconds: TEN_YEARS }).graceMs).toBe(TEN_YEARS * 1000);
    expect(
      read({ ...POLICY, graceSeconds: 0, methods: ['passkey'], backupCodes: false, trustedDevices: false }),
    ).toMatchObject({
      graceMs: 0,
      methods: ['passkey'],
      backupCodes: false,
      trustedDevices: false,
    });
  });

  it.each<[string, unknown, string]>([
    ['text', 'staff', 'MfaHost.policy must be an object or null'],
    ['null', null, 'MfaHost.policy must be an object or null'],
    ['an empty id', { ...POLICY, id: '' }, ID],
    ['a long id', { ...POLICY, id: 'x'.repeat(65) }, ID],
    ['an id with a space', { ...POLICY, id: 'a b' }, ID],
    ['an id with another script', { ...POLICY, id: 'Ä' }, ID],
    ['an id that is not text', { ...POLICY, id: 7 }, ID],
    ['text for required', { ...POLICY, required: 'true' }, 'MfaHost.policy.required must be true or false'],
    ['no value for required', { id: 'staff' }, 'MfaHost.policy.required must be true or false'],
    ['a negative grace time', { ...POLICY, graceSeconds: -1 }, GRACE],
    ['a part of a second', { ...POLICY, graceSeconds: 0.5 }, GRACE],
    ['a grace time over ten years', { ...POLICY, graceSeconds: TEN_YEARS + 1 }, GRACE],
    ['text for a grace time', { ...POLICY, graceSeconds: '60' }, GRACE],
    ['a number for a deadline', { ...POLICY, deadline: 1 }, DEADLINE],
    ['a deadline without a zone', { ...POLICY, deadline: '2027-01-01T00:00:00' }, DEADLINE],
    ['an invalid date', { ...POLICY, deadline: new Date(NaN) }, DEADLINE],
    [
      'text for trustedDevices',
      { ...POLICY, trustedDevices: 'no' },
      'MfaHost.policy.trustedDevices must be true or false',
    ],
    ['text for methods', { ...POLICY, methods: 'totp' }, 'MfaHost.policy.methods'],
    ['no methods', { ...POLICY, methods: [] }, 'MfaHost.policy.methods'],
    ['an unknown method', { ...POLICY, methods: ['totp', 'pasky'] }, 'users can enroll: totp, passkey'],
    ['backup codes as a method', { ...POLICY, methods: ['backup_code'] }, 'MfaHost.policy.methods'],
    ['text for backupCodes', { ...POLICY, backupCodes: 'no' }, 'MfaHost.policy.backupCodes must be true or false'],
  ])('S103 refuses %s, and names the property', (_, given, message) => {
    expect(() => read(given)).toThrow(
      expect.objectContaining({ code: 'MFA_MISCONFIGURED', message: expect.stringContaining(message) as string }),
    );
  });
});
