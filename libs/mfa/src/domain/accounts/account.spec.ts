import { describe, expect, it } from 'vitest';
import type { Authenticator } from '../authenticators/authenticator.js';
import { activeAuthenticators, pendingAuthenticator, type AccountSnapshot, type MfaAccount } from './account.js';

const NOW_MS = 1_800_000_000_000;
const row = (id: string, expiresAtMs: number | null = null) => ({ id, expiresAtMs }) as Authenticator;

const snapshotOf = (account: Partial<MfaAccount>, authenticators: Authenticator[]) =>
  ({ account: { activeFactors: [], pendingId: null, ...account }, authenticators }) as unknown as AccountSnapshot;

describe('activeAuthenticators', () => {
  it.each<[string, string[], string[], string[]]>([
    ['those that the account names, in its order', ['c', 'a', 'b'], ['a', 'b', 'c'], ['c', 'a', 'b']],
    ['no row that the account does not name', ['b'], ['a', 'b'], ['b']],
    ['none for a name without a row', ['gone', 'b'], ['b'], ['b']],
    ['none where the account names none', [], ['a'], []],
  ])('S13 are %s', (_, ids, rows, expected) => {
    const found = activeAuthenticators(
      snapshotOf(
        { activeFactors: ids.map((id) => ({ type: 'totp', id })) },
        rows.map((id) => row(id)),
      ),
    );
    expect(found.map(({ id }) => id)).toEqual(expected);
  });

  it('leave the order of the rows alone', () => {
    const rows = [row('a'), row('b')];
    activeAuthenticators(
      snapshotOf(
        {
          activeFactors: [
            { type: 'totp', id: 'b' },
            { type: 'totp', id: 'a' },
          ],
        },
        rows,
      ),
    );
    expect(rows.map(({ id }) => id)).toEqual(['a', 'b']);
  });
});

describe('pendingAuthenticator', () => {
  it.each<[string, string | null, Authenticator[], string | null]>([
    ['the row that the account names', 'b', [row('a', NOW_MS + 1), row('b', NOW_MS + 1)], 'b'],
    ['none at the very millisecond of its expiry', 'b', [row('b', NOW_MS)], null],
    ['none after its expiry', 'b', [row('b', NOW_MS - 1)], null],
    ['none that has no expiry: it is confirmed', 'b', [row('b')], null],
    ['none where the row is gone', 'b', [row('a', NOW_MS + 1)], null],
    ['none where the account names none', null, [row('a', NOW_MS + 1)], null],
    ['none without a row', 'b', [], null],
  ])('S18 is %s', (_, pendingId, rows, expected) => {
    expect(pendingAuthenticator(snapshotOf({ pendingId }, rows), NOW_MS)?.id ?? null).toBe(expected);
  });
});
