import { describe, expect, it } from 'vitest';
import { DEFAULT_ATTEMPT_POLICY, EMPTY_BUDGET } from '../domain/attempts/attempt-budget.js';
import type { ListedAccount } from '../domain/accounts/account-list.store.js';
import { cursorOf } from '../domain/paging.js';
import { listedUser, readListQuery } from './user-list.js';

const NOW = 1_800_000_000_000;
const context = { policy: DEFAULT_ATTEMPT_POLICY, nowMs: NOW };
const read = (query: unknown) => readListQuery(query as never, context);

describe('readListQuery', () => {
  it.each<[string, object, object]>([
    ['locks that end later than now', { locked: true }, { column: 'lockedUntilMs', atLeast: NOW + 1 }],
    ['failures from the option on', { disabled: true }, { column: 'mostFailures', atLeast: 100 }],
    ['no codes', { fewCodes: 0 }, { column: 'backupCodesLeft', atLeast: 0, atMost: 0 }],
    ['at most twenty codes', { fewCodes: 20 }, { column: 'backupCodesLeft', atLeast: 0, atMost: 20 }],
    ['every time of a reset', { mustEnroll: true }, { column: 'mustEnrollSinceMs', atLeast: 0 }],
  ])('reads %s', (_, criterion, expected) => {
    expect(read(criterion)).toEqual({ ...expected, after: null, limit: 100 });
    const others = { locked: null, disabled: null, fewCodes: null, mustEnroll: null };
    expect(read({ ...others, ...criterion, limit: 7 })).toEqual({ ...expected, after: null, limit: 7 });
  });

  it('continues after a user', () => {
    const position = { value: 5, userId: 'ann:1' };
    expect(read({ locked: true, after: cursorOf(position) }).after).toEqual(position);
  });

  it.each<[object, number]>([
    [{ locked: true }, Number.MAX_SAFE_INTEGER],
    [{ mustEnroll: true }, Number.MAX_SAFE_INTEGER],
    [{ disabled: true }, 2_147_483_647],
    [{ fewCodes: 3 }, 2_147_483_647],
  ])('reads a cursor of %j up to the greatest value of the column, %i', (criterion, greatest) => {
    const after = (value: number) => ({ ...criterion, after: cursorOf({ value, userId: 'ann' }) });
    expect(read(after(greatest)).after).toEqual({ value: greatest, userId: 'ann' });
    expect(() => read(after(greatest + 1))).toThrow(
      new TypeError('MfaAdminService.list: `after` must be `next` of the page before'),
    );
  });

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'give exactly one of'],
    ['no criterion', { limit: 5 }, 'give exactly one of'],
    ['two criteria', { locked: true, fewCodes: 2 }, 'give exactly one of'],
    ['a criterion that is false', { locked: false }, '`locked` must be true'],
    ['text as a criterion', { disabled: 'yes' }, '`disabled` must be true'],
    ['more codes than a set has', { fewCodes: 21 }, '`fewCodes` must be a whole number from 0 to 20'],
    ['fewer than no codes', { fewCodes: -1 }, '`fewCodes` must be a whole number from 0 to 20'],
    ['true for codes', { fewCodes: true }, '`fewCodes` must be a whole number from 0 to 20'],
    ['a page without users', { locked: true, limit: 0 }, '`limit` must be a whole number from 1 to 1000'],
    ['a cursor that is none', { locked: true, after: 'x' }, '`after` must be `next` of the page before'],
  ])('throws for %s, and names the property', (_, query, message) => {
    expect(() => read(query)).toThrow(TypeError);
    expect(() => read(query)).toThrow(`MfaAdminService.list: ${message}`);
  });
});

describe('listedUser', () => {
  const account: ListedAccount = {
    userId: 'ann',
    activeFactors: [{ type: 'totp', id: '1' }],
    mustEnrollSinceMs: null,
    backupCodesLeft: 3,
    value: 0,
    budgets: {
      ...{ totp: EMPTY_BUDGET, backup_code: EMPTY_BUDGET, password: EMPTY_BUDGET },
      ...{ confirmation: EMPTY_BUDGET, other: EMPTY_BUDGET, recovery_code: EMPTY_BUDGET },
    },
  };

  it('shows locks that have not ended and factors that are disabled, and nothing else', () => {
    const budgets = {
      ...account.budgets,
      totp: { failures: 5, lockedUntilMs: NOW + 1, dailyTatMs: 0 },
      backup_code: { failures: 100, lockedUntilMs: NOW, dailyTatMs: 0 },
      password: { failures: 99, lockedUntilMs: NOW, dailyTatMs: 0 },
    };
    expect(listedUser({ ...account, budgets }, context).locks).toEqual([
      { factor: 'totp', failures: 5, lockedUntil: new Date(NOW + 1), disabled: false },
      { factor: 'backup_code', failures: 100, lockedUntil: null, disabled: true },
    ]);
  });

  it('shows whether MFA is on, the codes that are left, and a required enrollment', () => {
    const shown = { userId: 'ann', enabled: true, locks: [], backupCodesLeft: 3, mustEnrollSince: null };
    expect(listedUser(account, context)).toEqual(shown);
    const reset = { ...account, activeFactors: [], backupCodesLeft: null, mustEnrollSinceMs: 8 };
    const expected = { ...shown, enabled: false, backupCodesLeft: null, mustEnrollSince: new Date(8) };
    expect(listedUser(reset, context)).toEqual(expected);
  });
});
