import { describe, expect, it } from 'vitest';
import { readAction, readEnrollmentFlag } from './admin-action.js';

const read = (action: unknown) => readAction(action as never, 'MfaAdminService.reset');
const LIMIT = 500;

describe('readAction', () => {
  it.each<[string, unknown, object]>([
    ['the id of an administrator', { actor: { userId: 'root' } }, { actor: { type: 'admin', id: 'root' } }],
    ['a number as the text that is stored', { actor: { userId: 7 } }, { actor: { type: 'admin', id: '7' } }],
    ['a program', { actor: { system: 'nightly' } }, { actor: { type: 'system', id: 'nightly' } }],
    [
      'a program with a long name',
      { actor: { system: 'x'.repeat(255) } },
      { actor: { type: 'system', id: 'x'.repeat(255) } },
    ],
    ['a program that acts for a user', { actor: { system: 'a', userId: 'b' } }, { actor: { type: 'system', id: 'a' } }],
  ])('attributes the change to %s', (_, action, expected) => {
    expect(read(action)).toStrictEqual(expected);
  });

  it('keeps a reason up to its limit, and leaves out a reason that is not given', () => {
    const actor = { userId: 'root' };
    const attributed = { actor: { type: 'admin', id: 'root' } };
    const longest = 'x'.repeat(LIMIT);
    expect(read({ actor, reason: longest })).toStrictEqual({ ...attributed, reason: longest });
    expect(read({ actor, reason: null })).toStrictEqual(attributed);
    expect(read({ actor, reason: undefined })).toStrictEqual(attributed);
  });

  it.each<[string, unknown]>([
    ['no action', undefined],
    ['null as the action', null],
    ['no actor', { reason: 'ticket 7' }],
    ['null as the actor', { actor: null }],
    ['text as the actor', { actor: 'root' }],
    ['an actor without an id', { actor: {} }],
    ['an empty user id', { actor: { userId: '' } }],
    ['a program without a name', { actor: { system: '' } }],
    ['a program with a longer name', { actor: { system: 'x'.repeat(256) } }],
    ['a number as the name of a program', { actor: { system: 7 } }],
    ['null as the name of a program, also beside a user id', { actor: { system: null, userId: 'root' } }],
  ])('throws for %s, and names the caller and the property', (_, action) => {
    expect(() => read(action)).toThrow(
      new TypeError(
        'MfaAdminService.reset: `actor` must be { userId } of the administrator, or { system } of a program, at most 255 characters',
      ),
    );
  });

  it.each<[string, unknown]>([
    ['a longer reason', 'x'.repeat(LIMIT + 1)],
    ['a number as the reason', 7],
    ['a list as the reason', []],
  ])('throws for %s', (_, reason) => {
    expect(() => read({ actor: { userId: 'root' }, reason })).toThrow(
      new TypeError('MfaAdminService.reset: `reason` must be a string of at most 500 characters'),
    );
  });
});

describe('readEnrollmentFlag', () => {
  it('S102 is true unless it is switched off', () => {
    for (const given of [true, undefined, null]) expect(readEnrollmentFlag(given)).toBe(true);
    expect(readEnrollmentFlag(false)).toBe(false);
  });

  it.each([0, 1, '', 'no', 'false', 'true', NaN, {}, [], 0n])('S102 throws for %o', (given) => {
    expect(() => readEnrollmentFlag(given)).toThrow(
      new TypeError('MfaAdminService.reset: `requireEnrollment` must be true or false'),
    );
  });
});
