import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService, type MfaListedUser, type MfaUserListQuery } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { EnrollingClient } from '../support/policy-host.js';
import { BY_TEST, RESET } from '../support/reset.js';

describe('the lists of administrators', () => {
  let host: HostApp;
  const clients = new Map<string, Client>();
  beforeAll(async () => {
    host = await startHostApp({
      namesAccounts: true,
      options: { ...FEW_CODES, attempts: { maxFailures: 3, disableAfter: 4 }, enrollment: { allowPasswordOnly: true } },
    });
    for (const name of ['ann', 'bob', 'cyd', 'dot']) clients.set(name, new Client(host, name));
  });
  afterAll(() => host.close());

  const admin = () => host.app.get(MfaAdminService, { strict: false });
  const list = (query: MfaUserListQuery) => admin().list(query);
  const names = async (query: MfaUserListQuery) => (await list(query)).users.map(({ userId }) => userId);
  const fail = async (user: Client, times: number) => {
    for (let wrong = 0; wrong < times; wrong += 1) await user.verify(await user.login(), '000000').expect(401);
  };

  it('names users with few codes from their enrollment on, and counts every code that is used', async () => {
    const [ann, bob] = [clients.get('ann')!, clients.get('bob')!];
    const { backupCodes } = await ann.enroll();
    await bob.enroll();
    expect(await names({ fewCodes: 3 })).toEqual([]);
    expect(await names({ fewCodes: 4 })).toEqual(['ann', 'bob']);
    await ann.verify(await ann.login(), backupCodes[0]).expect(200);
    expect(await list({ fewCodes: 3 })).toEqual({
      users: [{ userId: 'ann', enabled: true, locks: [], backupCodesLeft: 3, mustEnrollSince: null }],
      next: null,
    });
    await ann.post('/mfa/backup-codes/regenerate', { code: backupCodes[1] }).expect(200);
    expect(await names({ fewCodes: 3 })).toEqual([]);
  });

  it('names locked users until the lock ends, and users whom failures disabled until they are unlocked', async () => {
    const bob = clients.get('bob')!;
    await fail(bob, 2);
    expect(await names({ locked: true })).toEqual([]);
    await fail(bob, 1);
    const lockedUntil = new Date(host.clock.nowMs() + 15 * 60_000);
    const lock = (rest: Partial<MfaListedUser['locks'][number]>) => [
      { factor: 'totp', failures: 3, lockedUntil, disabled: false, ...rest },
    ];
    expect((await list({ locked: true })).users).toMatchObject([{ userId: 'bob', locks: lock({}) }]);
    host.clock.advance(15 * 60);
    expect(await names({ locked: true })).toEqual([]);
    expect(await names({ disabled: true })).toEqual([]);
    await fail(bob, 1);
    const disabled = lock({ failures: 4, lockedUntil: null, disabled: true });
    expect((await list({ disabled: true })).users).toMatchObject([{ userId: 'bob', locks: disabled }]);
    await admin().unlock('bob', BY_TEST);
    expect(await names({ disabled: true })).toEqual([]);
  });

  it('names users who must enroll after a reset, the earliest first, until they have enrolled or are purged', async () => {
    const since: Record<string, Date> = {};
    for (const name of ['dot', 'cyd', 'ann']) {
      host.clock.advance(1);
      since[name] = new Date(host.clock.nowMs());
      await admin().reset(name, { ...RESET, requireEnrollment: true });
    }
    expect((await list({ mustEnroll: true })).users).toMatchObject([
      { userId: 'dot', enabled: false, backupCodesLeft: null, mustEnrollSince: since.dot },
      { userId: 'cyd', mustEnrollSince: since.cyd },
      { userId: 'ann', mustEnrollSince: since.ann },
    ]);
    const dot = new EnrollingClient(host, 'dot');
    await dot.enrollTotpBy((await dot.mustEnroll()).mfa_token);
    await admin().purgeUser('cyd', BY_TEST);
    expect(await names({ mustEnroll: true })).toEqual(['ann']);
  });

  it('leaves out a lock that ended since the page before', async () => {
    const [bob, ann] = [clients.get('bob')!, clients.get('ann')!];
    for (const user of [bob, ann]) {
      await fail(user, 3);
      host.clock.advance(60);
    }
    const first = await list({ locked: true, limit: 1 });
    expect(first.users.map(({ userId }) => userId)).toEqual(['bob']);
    host.clock.advance(15 * 60);
    expect(await names({ locked: true, after: first.next })).toEqual([]);
    for (const user of ['bob', 'ann']) await admin().unlock(user, BY_TEST);
  });

  it('reads a page by one statement, and the next one after it', async () => {
    for (const name of ['p1', 'p2', 'p3', 'p4', 'p5']) await new Client(host, name).enroll();
    const sent = vi.spyOn(host.dataSource.logger, 'logQuery');
    const first = await list({ fewCodes: 4, limit: 2 });
    expect(sent).toHaveBeenCalledTimes(1);
    sent.mockRestore();
    const pages = [first];
    while (pages.at(-1)!.next !== null) pages.push(await list({ fewCodes: 4, limit: 2, after: pages.at(-1)!.next }));
    expect(pages.map(({ users }) => users.length)).toEqual([2, 2, 2, 1]);
    expect(pages.flatMap(({ users }) => users.map(({ userId }) => userId))).toEqual([
      'bob',
      'dot',
      'p1',
      'p2',
      'p3',
      'p4',
      'p5',
    ]);
  });

  it.each([{}, { locked: true, disabled: true }, { fewCodes: 21 }, { locked: true, after: 'x' }])(
    'throws a TypeError for %j',
    async (query) => {
      await expect(list(query as never)).rejects.toThrow(TypeError);
    },
  );
});
