import { describe, expect, it } from 'vitest';
import { cursorOf } from '../domain/paging.js';
import { type MfaDueQuery, readDueQuery } from './due-users.js';

const QUERY: MfaDueQuery = { policyId: 'staff', graceSeconds: 60, withinSeconds: 0 };
const read = (changes: object = {}) => readDueQuery({ ...QUERY, ...changes });
const cursor = (text: string) => Buffer.from(text).toString('base64url');

describe('readDueQuery', () => {
  it('converts seconds to milliseconds, and adds what is left out', () => {
    const expected = { policyId: 'staff', graceMs: 60_000, withinMs: 0, after: null, limit: 100, methods: null };
    expect(read()).toEqual(expected);
    expect(read({ after: null, limit: null, methods: null })).toEqual(expected);
    expect(read({ graceSeconds: 0, withinSeconds: 0.5, limit: 1, methods: ['totp'] })).toEqual({
      ...expected,
      ...{ graceMs: 0, withinMs: 500, limit: 1, methods: ['totp'] },
    });
    expect(read({ limit: 1000 })).toMatchObject({ limit: 1000 });
  });

  it.each(['ann', '7', 'a:b', 'first line\nsecond line', 'Zoë'])('continues after the user %j', (userId) => {
    const user = { firstSeenAtMs: 1_790_000_000_000, userId };
    expect(read({ after: cursorOf({ value: user.firstSeenAtMs, userId }) }).after).toEqual(user);
  });

  it('continues after a user whose first login was at the lowest or the highest time', () => {
    for (const firstSeenAtMs of [0, Number.MAX_SAFE_INTEGER]) {
      const user = { firstSeenAtMs, userId: 'ann' };
      expect(read({ after: cursorOf({ value: firstSeenAtMs, userId: 'ann' }) }).after).toEqual(user);
    }
  });

  it.each<[string, object, string]>([
    ['an empty policy id', { policyId: '' }, '`policyId` must be the id of a policy'],
    ['a number as the policy id', { policyId: 7 }, '`policyId` must be the id of a policy'],
    ['a policy id with NUL', { policyId: 'a\0b' }, '`policyId` must be the id of a policy'],
    ['a policy id with 65 characters', { policyId: 'a'.repeat(65) }, '`policyId` must be the id of a policy'],
    ['a negative grace time', { graceSeconds: -1 }, '`graceSeconds` must be a number of seconds from 0'],
    ['text as the grace time', { graceSeconds: '60' }, '`graceSeconds` must be a number of seconds from 0'],
    ['no grace time', { graceSeconds: undefined }, '`graceSeconds` must be a number of seconds from 0'],
    ['half a millisecond', { withinSeconds: 0.0005 }, '`withinSeconds` must be a number of seconds from 0'],
    ['an endless time', { withinSeconds: Infinity }, '`withinSeconds` must be a number of seconds from 0'],
    ['a time beyond exact numbers', { withinSeconds: 2 ** 53 }, '`withinSeconds` must be a number of seconds from 0'],
    ['a page without users', { limit: 0 }, '`limit` must be a whole number from 1 to 1000'],
    ['a page that is too long', { limit: 1001 }, '`limit` must be a whole number from 1 to 1000'],
    ['a part of a user', { limit: 1.5 }, '`limit` must be a whole number from 1 to 1000'],
    ['text as the limit', { limit: '10' }, '`limit` must be a whole number from 1 to 1000'],
  ])('throws for %s, and names the property', (_, changes, message) => {
    expect(() => read(changes)).toThrow(new TypeError(`MfaStatusService.listDue: ${message}`));
  });

  it('throws for a query that is left out', () => {
    const error = new TypeError('MfaStatusService.listDue: `policyId` must be the id of a policy');
    for (const query of [null, undefined]) expect(() => readDueQuery(query as never)).toThrow(error);
  });

  it.each<[string, unknown]>([
    ['a number', 7],
    ['an empty text', ''],
    ['text that is not a cursor', 'ann'],
    ['a list with a cursor', [cursor('1:ann')]],
    ['no time', cursor(':ann')],
    ['no user', cursor('1:')],
    ['text before the time', cursor('x1:ann')],
    ['a negative time', cursor('-1:ann')],
    ['a time with 17 digits', cursor('12345678901234567:ann')],
    ['a time beyond exact numbers', cursor('9007199254740992:ann')],
    ['a user id that cannot exist', cursor('1: ann')],
    ['a user id with NUL', cursor('1:a\0b')],
  ])('throws for a cursor with the defect: %s', (_, after) => {
    expect(() => read({ after })).toThrow(
      new TypeError('MfaStatusService.listDue: `after` must be `next` of the page before'),
    );
  });
});
