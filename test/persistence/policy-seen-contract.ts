import { randomUUID } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DueQuery, DueUser } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import type { Stores } from './rows.js';

const NOW = 1_800_000_000_000;

/** What every store of policy sightings does alike. The account of the user exists and is empty. */
export function policySeenContract(stores: () => Stores, userId: () => string): void {
  const seen = () => stores().policiesSeen;
  let policyId: string;
  beforeEach(() => {
    policyId = `policy-${randomUUID()}`;
  });

  it('S101 records the first sighting only, for each user and policy', async () => {
    const [other, another] = [`${policyId}-2`, `user-${randomUUID()}`];
    expect(await seen().firstSeen(userId(), policyId)).toBeNull();
    expect(await seen().record(userId(), policyId, NOW)).toBe(NOW);
    for (const nowMs of [NOW + 1, NOW - 1, NOW]) expect(await seen().record(userId(), policyId, nowMs)).toBe(NOW);
    expect(await seen().firstSeen(userId(), policyId)).toBe(NOW);
    expect([await seen().firstSeen(userId(), other), await seen().firstSeen(another, policyId)]).toEqual([null, null]);
    expect(await seen().record(userId(), other, NOW + 2)).toBe(NOW + 2);
    expect(await seen().record(another, policyId, NOW + 3)).toBe(NOW + 3);
    expect(await seen().firstSeen(userId(), policyId)).toBe(NOW);
  });

  it('S101 lets 20 parallel logins record one sighting, and gives all of them its time', async () => {
    const times = Array.from({ length: 20 }, (_, index) => NOW + index);
    const recorded = await Promise.all(times.map((nowMs) => seen().record(userId(), policyId, nowMs)));
    const [sighting, ...others] = await seen().list(userId());
    expect(others).toEqual([]);
    expect(times).toContain(sighting!.firstSeenAtMs);
    expect(new Set(recorded)).toEqual(new Set([sighting!.firstSeenAtMs]));
  });

  it('S42 S101 separates users and policies whose ids differ by case, accent or a trailing space', async () => {
    await seen().record(userId(), policyId, NOW);
    for (const other of [userId().toUpperCase(), userId().replace('u', 'ü'), `${userId()} `]) {
      expect(await seen().firstSeen(other, policyId)).toBeNull();
      expect(await seen().list(other)).toEqual([]);
    }
    for (const other of [policyId.toUpperCase(), policyId.replace('o', 'ö'), `${policyId} `]) {
      expect(await seen().firstSeen(userId(), other)).toBeNull();
    }
    expect(await seen().record(userId().toUpperCase(), policyId, NOW + 1)).toBe(NOW + 1);
    expect(await seen().record(userId(), policyId.toUpperCase(), NOW + 2)).toBe(NOW + 2);
  });

  it('lists the sightings of one user, oldest first, and removes them all', async () => {
    const other = `user-${randomUUID()}`;
    await seen().record(userId(), 'b', NOW + 1);
    await seen().record(userId(), 'c', NOW);
    await seen().record(userId(), 'a', NOW + 1);
    await seen().record(other, 'a', NOW);
    expect(await seen().list(userId())).toEqual([
      { policyId: 'c', firstSeenAtMs: NOW },
      { policyId: 'a', firstSeenAtMs: NOW + 1 },
      { policyId: 'b', firstSeenAtMs: NOW + 1 },
    ]);
    await seen().removeAll(userId());
    expect(await seen().list(userId())).toEqual([]);
    expect(await seen().list(other)).toEqual([{ policyId: 'a', firstSeenAtMs: NOW }]);
    expect(await seen().record(userId(), 'a', NOW + 9)).toBe(NOW + 9);
  });

  it('S101 keeps a sighting over every change of the account, and its removal', async () => {
    await seen().record(userId(), policyId, NOW);
    await stores().accounts.commit(userId(), NOW, { activeFactors: [{ type: 'totp', id: 'a' }] });
    await stores().accounts.commit(userId(), NOW + 1, { activeFactors: [], securityStamp: NOW + 9 });
    await stores().accounts.invalidate(userId());
    await stores().accounts.clearBudgets(userId());
    await stores().accounts.remove(userId());
    expect(await seen().firstSeen(userId(), policyId)).toBe(NOW);
  });

  describe('at a login', () => atLogin(stores, userId, () => policyId));
  describe('users who are due', () => due(stores, () => policyId));
}

function atLogin(stores: () => Stores, userId: () => string, policyId: () => string): void {
  const seenAt = async (id: string, policy?: string) =>
    (await stores().accounts.loadForLogin(id, policy)).policySeenAtMs;

  it('S101 reads with the account when the user was first seen under the given policy', async () => {
    expect(await seenAt(userId(), policyId())).toBeNull();
    await stores().policiesSeen.record(userId(), policyId(), NOW);
    await stores().policiesSeen.record(userId(), 'other', NOW + 1);
    expect(await stores().accounts.loadForLogin(userId(), policyId())).toEqual({
      snapshot: await stores().accounts.load(userId()),
      otherCase: false,
      policySeenAtMs: NOW,
      device: null,
    });
    expect(await seenAt(userId(), 'other')).toBe(NOW + 1);
    expect(await seenAt(userId(), policyId().toUpperCase())).toBeNull();
    expect(await seenAt(userId())).toBeNull();
  });

  it('S78 S101 reads no sighting of the user whose id is the same in lower case', async () => {
    const typed = userId().toUpperCase();
    await stores().policiesSeen.record(userId(), policyId(), NOW);
    const without = await stores().accounts.loadForLogin(typed, policyId());
    expect(without).toEqual({ snapshot: null, otherCase: true, policySeenAtMs: null, device: null });
    await stores().accounts.open(typed, NOW);
    expect(await seenAt(typed, policyId())).toBeNull();
    await stores().policiesSeen.record(typed, policyId(), NOW + 1);
    expect([await seenAt(typed, policyId()), await seenAt(userId(), policyId())]).toEqual([NOW + 1, NOW]);
  });

  it('reads no sighting of a user without an account', async () => {
    await stores().accounts.remove(userId());
    await stores().policiesSeen.record(userId(), policyId(), NOW);
    const read = await stores().accounts.loadForLogin(userId(), policyId());
    expect(read).toEqual({ snapshot: null, otherCase: false, policySeenAtMs: null, device: null });
  });
}

function due(stores: () => Stores, policyId: () => string): void {
  /** A user who was seen under the policy, with these factors. `null` = without an account. */
  async function user(firstSeenAtMs: number, factors: readonly string[] | null): Promise<DueUser> {
    const userId = `user-${randomUUID()}`;
    await stores().policiesSeen.record(userId, policyId(), firstSeenAtMs);
    if (factors === null) return { userId, firstSeenAtMs };
    await stores().accounts.open(userId, NOW);
    await stores().accounts.commit(userId, NOW, { activeFactors: factors.map((type) => ({ type, id: randomUUID() })) });
    return { userId, firstSeenAtMs };
  }
  const list = (query: Partial<DueQuery> = {}) =>
    stores().policiesSeen.listDue({
      ...{ policyId: policyId(), seenBeforeMs: NOW, after: null, limit: 100, methods: null },
      ...query,
    });
  const inOrder = (users: readonly DueUser[]) =>
    users.toSorted((a, b) => a.firstSeenAtMs - b.firstSeenAtMs || (a.userId < b.userId ? -1 : 1));

  it('lists users without a factor who were seen until then under this policy, also those without an account', async () => {
    const [without, empty] = [await user(NOW, null), await user(NOW - 2, [])];
    await user(NOW - 1, ['totp']);
    await user(NOW - 1, ['unknown']);
    await user(NOW + 1, null);
    await stores().policiesSeen.record(`user-${randomUUID()}`, `${policyId()}-2`, NOW - 9);
    expect(await list()).toEqual([empty, without]);
    expect(await list({ seenBeforeMs: NOW - 1 })).toEqual([empty]);
    expect(await list({ seenBeforeMs: NOW - 3 })).toEqual([]);
    expect(await list({ policyId: policyId().toUpperCase() })).toEqual([]);
  });

  it('lists nobody after the greatest place that a cursor can name', async () => {
    await user(NOW, null);
    expect(await list({ after: { firstSeenAtMs: Number.MAX_SAFE_INTEGER, userId: '\u{1F600}' } })).toEqual([]);
  });

  it('counts only factors of the given methods, whatever their place in the account', async () => {
    const users = {
      none: await user(NOW, null),
      empty: await user(NOW + 1, []),
      totp: await user(NOW + 2, ['totp']),
      totpTwice: await user(NOW + 3, ['totp', 'totp']),
      passkey: await user(NOW + 4, ['passkey']),
      both: await user(NOW + 5, ['totp', 'passkey']),
      twisted: await user(NOW + 6, ['passkey', 'totp']),
      alike: await user(NOW + 7, ['mytotp', 'totp_old', 'TOTP']),
      behind: await user(NOW + 8, ['a', 'totp', 'b']),
    };
    const named = Object.entries(users).map(([name, { userId }]) => [userId, name] as const);
    const names = async (methods: readonly string[] | null) =>
      (await list({ seenBeforeMs: NOW + 100, methods })).map(({ userId }) => new Map(named).get(userId));
    expect(await names(['totp'])).toEqual(['none', 'empty', 'passkey', 'alike']);
    expect(await names(['passkey'])).toEqual(['none', 'empty', 'totp', 'totpTwice', 'alike', 'behind']);
    expect(await names(['totp', 'passkey'])).toEqual(['none', 'empty', 'alike']);
    expect(await names(['tot_', '%', 'totp:'])).toEqual(Object.keys(users));
    expect(await names([])).toEqual(Object.keys(users));
    expect(await names(null)).toEqual(['none', 'empty']);
  });

  it('pages through all users, each once, by time and user id', async () => {
    const times = [NOW, NOW, NOW, NOW - 1, NOW - 1, NOW - 2, NOW - 7];
    const users: DueUser[] = [];
    for (const firstSeenAtMs of times) users.push(await user(firstSeenAtMs, null));
    const paged: DueUser[] = [];
    for (let page = await list({ limit: 2 }); page.length > 0; page = await list({ limit: 2, after: paged.at(-1)! })) {
      expect(page.length).toBeLessThanOrEqual(2);
      paged.push(...page);
    }
    expect(paged).toEqual(inOrder(users));
    // The user of the page before may have a factor by now, or be purged.
    await stores().policiesSeen.removeAll(paged[2]!.userId);
    expect(await list({ after: paged[2]! })).toEqual(paged.slice(3));
    expect(await list({ after: paged[2]!, seenBeforeMs: NOW - 1 })).toEqual(
      paged.slice(3).filter(({ firstSeenAtMs }) => firstSeenAtMs < NOW),
    );
  });
}
