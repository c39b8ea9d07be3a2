import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService, MfaAuditService } from 'nestjs-mfa';
import { MfaUserMoveStore } from '../../libs/mfa/src/domain/accounts/user-move.store.js';
import { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { BY_TEST } from '../support/reset.js';

const [FIRST_DAY, LATER] = [1_700_000_000_000, 1_701_123_200_000];

describe.each(testDatabases)('the first sightings of a user whose id changes, on %s', (database) => {
  let host: HostApp;
  let admin: MfaAdminService;
  let seen: MfaPolicySeenStore;
  let from: string;
  let to: string;

  beforeAll(async () => {
    host = await startHostApp({ database, options: { ...FEW_CODES, audit: {} }, override: withQuickHasher });
    admin = host.app.get(MfaAdminService, { strict: false });
    seen = host.app.get(MfaPolicySeenStore, { strict: false });
  });
  afterAll(() => host.close());

  const newIds = () => {
    const id = randomUUID().slice(0, 8);
    [from, to] = [`old-${id}`, `new-${id}`];
  };
  const move = () => admin.moveUser(from, to, BY_TEST);
  const timesOf = async (userId: string) =>
    Object.fromEntries((await seen.list(userId)).map(({ policyId, firstSeenAtMs }) => [policyId, firstSeenAtMs]));
  const moves = async () => {
    await nextTurn();
    return host.state.events.filter(({ type, userId }) => type === 'mfa.user.moved' && userId === to);
  };

  const users = [
    ['with an account', () => new Client(host, from).enroll()],
    ['without an account', () => Promise.resolve()],
  ] as const;

  describe.each(users)('%s', (_, create) => {
    it('S101 keep the earlier time of both ids, also when the move is repeated', async () => {
      newIds();
      await create();
      await seen.record(from, 'staff', FIRST_DAY);
      await seen.record(to, 'staff', LATER);
      await seen.record(from, 'partners', LATER);
      await seen.record(to, 'partners', FIRST_DAY);
      await seen.record(from, 'guests', LATER);
      await seen.record(`${to}-other`, 'staff', LATER);
      await move();
      const kept = { staff: FIRST_DAY, partners: FIRST_DAY, guests: LATER };
      expect(await timesOf(to)).toEqual(kept);
      await move();
      expect(await timesOf(to)).toEqual(kept);
      expect(await timesOf(`${to}-other`)).toEqual({ staff: LATER });
      expect(await moves()).toHaveLength(1);
    });

    it('S101 keep the earlier time when parallel logins under the new id record theirs', async () => {
      newIds();
      await create();
      await seen.record(from, 'staff', FIRST_DAY);
      await Promise.all([move(), ...[1, 2, 3].map((more) => seen.record(to, 'staff', LATER + more))]);
      expect(await timesOf(to)).toEqual({ staff: FIRST_DAY });
    });
  });

  it('S101 includes a sighting that is recorded at the old id during the move', async () => {
    newIds();
    await new Client(host, from).enroll();
    const store = host.app.get(MfaUserMoveStore, { strict: false });
    const real = store.raiseBudgets;
    // The old account is closed by then.
    store.raiseBudgets = async (...given) => {
      await seen.record(from, 'staff', FIRST_DAY);
      await real.apply(store, given);
    };
    await move();
    store.raiseBudgets = real;
    expect(await timesOf(to)).toEqual({ staff: FIRST_DAY });
  });

  it('S101 refuses a new id with an MFA account where the old id has sightings only', async () => {
    newIds();
    await seen.record(from, 'staff', FIRST_DAY);
    await new Client(host, to).enroll();
    const message = ['MfaAdminService.moveUser: the new user id has an MFA account'];
    await expect(move()).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST', response: { message } });
    expect([await timesOf(to), await moves()]).toEqual([{}, []]);
    expect((await admin.exportUser(to)).events.map(({ type }) => type)).not.toContain('mfa.user.moved');
  });

  it('resolves where the old id has nothing, whatever the new id has', async () => {
    newIds();
    await move();
    await new Client(host, to).enroll();
    await move();
    expect(await moves()).toEqual([]);
  });

  it('S121 is one event with its audit row, and none when it is repeated, also after an enrollment', async () => {
    newIds();
    await seen.record(from, 'staff', FIRST_DAY);
    await move();
    expect(await moves()).toMatchObject([{ previousUserId: from, actor: { id: 'test' } }]);
    const audit = host.app.get(MfaAuditService, { strict: false });
    const entries = async () =>
      (await audit.list({ userId: to }))
        .filter(({ event }) => event.type === 'mfa.user.moved')
        .map(({ state }) => state);
    await expect.poll(entries).toEqual(['done']);
    await move();
    await new Client(host, to).enroll();
    await move();
    expect([await moves(), await entries()]).toMatchObject([[{ previousUserId: from }], ['done']]);
  });

  it('S121 is one event of two parallel moves', async () => {
    for (let round = 0; round < 3; round += 1) {
      newIds();
      for (const policyId of ['staff', 'partners', 'guests']) await seen.record(from, policyId, FIRST_DAY);
      await Promise.all([move(), move()]);
      expect(await moves()).toHaveLength(1);
      expect(await timesOf(to)).toEqual({ staff: FIRST_DAY, partners: FIRST_DAY, guests: FIRST_DAY });
    }
  });
});
