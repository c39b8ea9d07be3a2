import { afterEach, describe, expect, it } from 'vitest';
import { MfaAdminService, MfaAuditEntity, MfaAuditService, MfaCleanupService, type MfaEvent } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { createDatabase, testDatabases, type TestDatabase } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { BY_TEST } from '../support/reset.js';

const DAY = 24 * 60 * 60;

describe.each(testDatabases)('the audit table on %s', (database) => {
  let host: HostApp;
  let on: TestDatabase | undefined;
  afterEach(async () => {
    await host.close();
    await on?.drop();
    on = undefined;
  });

  const service = <T>(token: abstract new (...given: never[]) => T) =>
    host.app.get<T>(token as never, { strict: false });
  const start = async (audit: object | undefined, shared?: TestDatabase) =>
    (host = await startHostApp({
      database,
      on: shared,
      options: { ...FEW_CODES, audit, enrollment: { allowPasswordOnly: true } },
    }));
  const rows = () => host.dataSource.getRepository(MfaAuditEntity).find();
  /** Events are written in the background. */
  const written = async (count: number) => {
    // A row may be `started` until it becomes `done`.
    const states = async () => (await rows()).map(({ state }) => state);
    await expect.poll(states, { timeout: 10_000 }).toEqual(Array(count).fill('done'));
    return rows();
  };
  const typesOf = (events: { event: MfaEvent }[]) => events.map(({ event }) => event.type);

  it('S121 lists what was delivered, the newest first and page by page', async () => {
    await start({});
    const user = new Client(host, 'ann');
    await user.enroll();
    host.clock.advance(1);
    await service(MfaAdminService).unlock('ann', { actor: { userId: 'root' }, reason: 'case 7' });
    const told = host.state.events.map(({ type }) => type);
    await written(told.length);
    const audit = service(MfaAuditService);
    const all = await audit.list();
    expect(typesOf(all).toSorted()).toEqual(told.toSorted());
    expect(all[0]).toMatchObject({
      state: 'done',
      event: { type: 'mfa.unlocked', userId: 'ann', actor: { type: 'admin', id: 'root' }, reason: 'case 7' },
    });
    expect(all[0]!.event.at).toEqual(host.state.events.at(-1)!.at);
    const [first, ...others] = all;
    expect(await audit.list({ limit: 1 })).toEqual([first]);
    expect(await audit.list({ userId: 'ann', after: first!.id })).toEqual(others);
    expect(await audit.list({ userId: 'bob' })).toEqual([]);
    for (const limit of [0, 1001, 1.5]) await expect(audit.list({ limit })).rejects.toThrow(TypeError);
  });

  it('S121 keeps the longest name of a program and the longest reason, whatever their characters', async () => {
    await start({});
    const longest = { actor: { system: '\0'.repeat(255) }, reason: `\ud800${'\0'.repeat(499)}` };
    await service(MfaAdminService).unlock('ann', longest);
    await service(MfaAdminService).reset('ann', { ...longest, requireEnrollment: true });
    await written(2);
    const entries = await service(MfaAuditService).listAll('ann');
    const expected = { actor: { type: 'system', id: longest.actor.system }, reason: longest.reason };
    expect(entries.map(({ event }) => event)).toMatchObject([expected, expected]);
  });

  it('keeps nothing without the option', async () => {
    await start(undefined);
    await new Client(host, 'ann').enroll();
    expect(await rows()).toEqual([]);
  });

  it('loses events that are older than the retention in the cleanup', async () => {
    await start({ retentionDays: 30 });
    await new Client(host, 'ann').enroll();
    const before = await written(host.state.events.length);
    host.clock.advance(30 * DAY - 60);
    await service(MfaCleanupService).purge();
    expect(await rows()).toEqual(before);
    host.clock.advance(120);
    await service(MfaCleanupService).purge();
    expect(await rows()).toEqual([]);
  });

  it('contains no id of a user who was purged, also where the user did it', async () => {
    await start({});
    await new Client(host, 'margaret').enroll();
    await written(host.state.events.length);
    await service(MfaAdminService).purgeUser('margaret', { actor: { userId: 'margaret' } });
    await written(host.state.events.length);
    const dump = await rows();
    expect(JSON.stringify(dump)).not.toContain('margaret');
    expect(new Set(dump.map(({ userId }) => userId)).size).toBe(1);
    expect(dump.map(({ state }) => state)).not.toContain('started');
    expect((await service(MfaAuditService).list())[0]!.event.actor.id).toMatch(/^purged:/);
  });

  it('S121 contains no id of a user who was moved, after the purge of both ids', async () => {
    await start({});
    const [old, moved] = ['margaret"\\%@old', 'margaret@new'];
    await new Client(host, old).enroll();
    await new Client(host, 'other').enroll();
    const admin = service(MfaAdminService);
    await admin.moveUser(old, moved, { actor: { userId: old } });
    await admin.unlock(moved, { actor: { userId: old } });
    await admin.unlock('other', { actor: { userId: 'root' }, reason: 'case 8' });
    await written(host.state.events.length);
    await admin.purgeUser(old, BY_TEST);
    await admin.purgeUser(moved, { actor: { userId: old } });
    await written(host.state.events.length);
    expect(JSON.stringify(await rows())).not.toContain('margaret');
    const entries = await service(MfaAuditService).list();
    const ofMove = entries.find(({ event }) => event.type === 'mfa.user.moved')!.event;
    expect(ofMove).toMatchObject({ previousUserId: expect.stringMatching(/^purged:/), actor: { type: 'admin' } });
    // The pseudonym is the one of the rows of the old id.
    expect(entries.map(({ event }) => event.userId)).toContain((ofMove as { previousUserId: string }).previousUserId);
    expect(ofMove.actor.id).toBe((ofMove as { previousUserId: string }).previousUserId);
    // An administrator stays in the rows of other users.
    const unlocked = entries.find(({ event }) => event.userId === 'other' && event.type === 'mfa.unlocked');
    expect(unlocked!.event).toMatchObject({ actor: { type: 'admin', id: 'root' }, reason: 'case 8' });
  });

  it('S121 contains nothing about a refused move, and shows in an export what was only started', async () => {
    await start({});
    await new Client(host, 'ann').enroll();
    await new Client(host, 'bob').enroll();
    await written(host.state.events.length);
    const admin = service(MfaAdminService);
    await expect(admin.moveUser('ann', 'bob', BY_TEST)).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
    await admin.moveUser('nobody', 'carl', BY_TEST);
    await written(host.state.events.length);
    const before = await admin.exportUser('bob');
    expect(before.events.map(({ state }) => state)).toEqual(before.events.map(() => 'done'));
    expect(before.events.map(({ type }) => type)).not.toContain('mfa.user.moved');
    await host.dataSource.query(`UPDATE mfa_audit SET state = 'started' WHERE user_id = 'bob'`);
    const after = await admin.exportUser('bob');
    expect(after.events).toEqual(before.events.map((event) => ({ ...event, state: 'started' })));
  });

  it('loses the id of a purged user also after the option was taken out', async () => {
    on = await createDatabase(database);
    await start({}, on);
    await new Client(host, 'margaret').enroll();
    await written(host.state.events.length);
    await host.close();
    await start(undefined, on);
    await service(MfaAdminService).purgeUser('margaret', BY_TEST);
    const dump = await rows();
    expect(dump.length).toBeGreaterThan(0);
    expect(JSON.stringify(dump)).not.toContain('margaret');
  });
});
