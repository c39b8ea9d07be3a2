import { afterEach, describe, expect, it, vi } from 'vitest';
import { MfaAdminService, MfaAuditEntity, type MfaEvent } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaAuditStore } from '../../libs/mfa/src/domain/audit/audit.store.js';
import { AuditTrail } from '../../libs/mfa/src/events/audit-trail.js';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { BY_TEST } from '../support/reset.js';

type Failed = Extract<MfaEvent, { type: 'mfa.verification.failed' }>;
const HOUR = 60 * 60;

describe('a flood of refusals that cost no attempt', () => {
  let host: HostApp;
  afterEach(() => host.close());

  const service = <T>(token: abstract new (...given: never[]) => T) =>
    host.app.get<T>(token as never, { strict: false });
  const start = async () => (host = await startHostApp({ options: { ...FEW_CODES, audit: {} } }));
  const failures = (userId = 'ann') =>
    host.state.events.filter(
      (each): each is Failed & MfaEvent => each.userId === userId && each.type === 'mfa.verification.failed',
    );
  const counts = () => failures().map(({ failure, count = 1 }) => `${failure} ${count}`);
  const repeat = async (times: number, act: () => PromiseLike<{ status: number }>, status: number) => {
    for (let sent = 0; sent < times; sent += 1) expect((await act()).status).toBe(status);
  };

  it('S65 S121 by one mfa_token is 20 events and one count, and no event of another user is lost', async () => {
    await start();
    const ann = new Client(host, 'ann');
    await ann.enroll();
    const mfa_token = await ann.login();
    const bob = new Client(host, 'bob');
    await bob.enroll();
    const audit = service(AuditTrail);
    await audit.settled();
    const rows = () => host.dataSource.getRepository(MfaAuditEntity).find();
    const before = (await rows()).length;

    // The table is slow, so that its queue of 1000 would be full.
    let release = () => undefined as void;
    const opened = new Promise<void>((resolve) => (release = resolve));
    const store = service(MfaAuditStore);
    const add = store.add.bind(store);
    const added = vi.spyOn(store, 'add').mockImplementation(async (...row) => {
      await opened;
      await add(...row);
    });
    await repeat(1_010, () => ann.verify(mfa_token, 'x'), 401);
    await bob.login();
    release();
    await audit.settled();
    added.mockRestore();

    expect(counts()).toEqual(Array(20).fill('malformed 1'));
    const written = await rows();
    expect(written).toHaveLength(before + 21);
    expect(written.filter(({ userId, event }) => userId === 'bob' && event.includes('challenge.issued'))).toHaveLength(
      1,
    );

    host.clock.advance(HOUR);
    await repeat(1, async () => ann.verify(await ann.login(), 'x'), 401);
    expect(counts()).toEqual([...Array(20).fill('malformed 1'), 'malformed 990', 'malformed 1']);
  });

  it('S65 does not hide that the user is locked, nor the wrong codes, which are all events', async () => {
    await start();
    const ann = new Client(host, 'ann');
    await ann.enroll();
    const mfa_token = await ann.login();
    await repeat(25, () => ann.verify(mfa_token, 'x'), 401);
    await repeat(5, () => ann.verify(mfa_token, '000000'), 401);
    await repeat(25, () => ann.verify(mfa_token, '000000'), 429);
    expect(counts()).toEqual([
      ...Array(20).fill('malformed 1'),
      ...Array(5).fill('wrong_code 1'),
      ...Array(20).fill('locked 1'),
    ]);
    const ended = failures();
    host.clock.advance(HOUR);
    await repeat(1, async () => ann.verify(await ann.login(), 'x'), 401);
    expect(
      failures()
        .slice(ended.length)
        .map(({ failure, factor, count }) => [failure, factor, count]),
    ).toEqual([
      ['malformed', undefined, 5],
      ['locked', 'totp', 5],
      ['malformed', undefined, undefined],
    ]);
  });

  it('S65 at the confirmation of an enrollment is 20 events, beside those of the wrong codes', async () => {
    await start();
    const ann = new Client(host, 'ann');
    const { body } = await ann.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(body.otpauthUri, host.clock);
    await repeat(22, () => ann.post('/mfa/totp/confirm', { code: 'x' }), 401);
    await repeat(1, () => ann.post('/mfa/totp/confirm', { code: phone.code(9) }), 401);
    expect(counts()).toEqual([...Array(20).fill('malformed 1'), expect.stringMatching(/wrong_code 1|clock_skew 1/)]);
  });

  it('leaves no id of a user who was purged in the audit table, also at the end of the hour', async () => {
    await start();
    const margaret = new Client(host, 'margaret');
    await margaret.enroll();
    const mfa_token = await margaret.login();
    await repeat(25, () => margaret.verify(mfa_token, 'x'), 401);
    await service(MfaAdminService).purgeUser('margaret', BY_TEST);
    const ann = new Client(host, 'ann');
    await ann.enroll();
    host.clock.advance(HOUR);
    await repeat(1, async () => ann.verify(await ann.login(), 'x'), 401);
    await service(AuditTrail).settled();
    const rows = await host.dataSource.getRepository(MfaAuditEntity).find();
    expect(rows.map(({ userId }) => userId)).toContain('ann');
    expect(JSON.stringify(rows)).not.toContain('margaret');
  });

  it('S65 by a session in a step-up is 20 events', async () => {
    await start();
    const ann = new Client(host, 'ann');
    const { authenticator } = await ann.enroll();
    const code = authenticator.code();
    await ann.post('/mfa/step-up', { code }).expect(200);
    await repeat(22, () => ann.post('/mfa/step-up', { code: 'x' }), 401);
    expect(counts()).toEqual(Array(20).fill('malformed 1'));
  });
});
