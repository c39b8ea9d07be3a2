import type { ExecutionContext } from '@nestjs/common';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { MfaAdminService, MfaAuditService, type MfaEvent } from 'nestjs-mfa';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MfaEvents } from '../../libs/mfa/src/events/mfa-events.js';
import { Client } from '../support/client.js';
import { AuthModule, AuthService, startHostApp, type HostApp } from '../support/host-app.js';
import { EnrollingClient, PolicyHost, REQUIRED } from '../support/policy-host.js';
import { BY_TEST, RESET } from '../support/reset.js';
import { type AuditGuide, type Entry, loadAuditGuide, Queue } from './audit-guide.js';

describe('the guide about audit and notifications, in an application', () => {
  const AGENT = 'agent-7';
  let host: HostApp;
  let queue: Queue;
  let guide: AuditGuide;
  const service = <T>(type: abstract new (...given: never[]) => T): T => host.app.get(type, { strict: false });

  beforeAll(async () => {
    queue = new Queue();
    guide = await loadAuditGuide();
    const { AuditController, SupportRoles, OwnerMail, MailQueue, MfaMetrics, EventsHost } = guide;
    class GuideHost extends PolicyHost {
      constructor(
        auth: AuthService,
        readonly ownerMail: InstanceType<AuditGuide['OwnerMail']>,
      ) {
        super(auth);
      }
      override notify(event: MfaEvent) {
        super.notify(event);
        return EventsHost.prototype.notify.call(this, event);
      }
      override requestInfo(context: ExecutionContext) {
        return EventsHost.prototype.requestInfo!.call(this, context);
      }
    }
    Reflect.defineMetadata('design:paramtypes', [AuthService, OwnerMail], GuideHost);
    class MailModule {}
    const mail = {
      ...{ module: MailModule, providers: [OwnerMail, { provide: MailQueue, useValue: queue }], exports: [OwnerMail] },
    } as never;
    const isAgent = async (context: ExecutionContext) =>
      String(
        context.switchToHttp().getRequest<{ headers: object & { authorization?: string } }>().headers.authorization,
      ).endsWith(AGENT);
    host = await startHostApp({
      imports: [EventEmitterModule.forRoot({ wildcard: true })],
      providers: [MfaMetrics, { provide: SupportRoles, useValue: { isAgent } }],
      controllers: [AuditController],
      ...{ host: GuideHost as never, namesAccounts: true },
      options: { imports: [AuthModule, mail], audit: {}, backupCodes: { count: 4 } },
    });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(async () => {
    await host?.close();
    await guide?.remove();
  });

  it('sends one message about a factor that was enrolled within a login', async () => {
    PolicyHost.policyOf = () => REQUIRED;
    const user = new EnrollingClient(host, 'required');
    const { mfa_token } = await user.mustEnroll();
    await user.enrollTotpBy(mfa_token);
    const types = host.state.events.filter(({ userId }) => userId === 'required').map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['mfa.authenticator.confirmed', 'mfa.enrollment.completed']));
    expect(queue.textsOf('required')).toEqual([expect.stringContaining('A second factor was added')]);
  });

  it('finds the messages that a queue did not take, once', async () => {
    await new Client(host, 'reset').enroll();
    queue.isDown = true;
    await service(MfaAdminService).reset('reset', RESET);
    const about = () => queue.textsOf('reset').filter((text) => text.includes('Our support removed'));
    await expect
      .poll(async () => (await service(MfaAuditService).list({ userId: 'reset' }))[0]?.event.type)
      .toBe('mfa.reset');
    queue.isDown = false;
    expect(about()).toEqual([]);
    const missed = new guide.MissedMessages(service(MfaAuditService), service(guide.OwnerMail));
    for (let runs = 0; runs < 2; runs += 1) await missed.send(new Date(host.clock.nowMs()));
    expect(about()).toHaveLength(1);
  });

  it('puts address and user agent into events, and nothing where there is no HTTP request', async () => {
    const user = new Client(host, 'info');
    await user.enroll();
    const confirmed = host.state.events.findLast(({ type }) => type === 'mfa.authenticator.confirmed');
    expect(confirmed).toMatchObject({ userId: 'info', ip: expect.stringContaining('127.0.0.1') as string });
    await user.post('/mfa/step-up', { code: '000000' }).set('User-Agent', 'Firefox').expect(401);
    const failed = host.state.events.findLast(({ type }) => type === 'mfa.verification.failed');
    expect(failed).toMatchObject({ userId: 'info', userAgent: 'Firefox' });
    const rpc = { getType: () => 'rpc' } as ExecutionContext;
    expect(guide.EventsHost.prototype.requestInfo!(rpc)).toBeNull();
  });

  it('shows the audit table to agents only, page by page', async () => {
    const agent = new Client(host, AGENT);
    const { authenticator } = await agent.enroll();
    const other = new Client(host, 'no-agent');
    await other.enroll();
    for (let logins = 0; logins < 55; logins += 1) await other.login();
    await expect.poll(async () => (await service(MfaAuditService).listAll('no-agent')).length).toBeGreaterThan(55);
    const path = '/support/mfa-events';
    await other.get(path).expect(403, /Forbidden/);
    const read = async (query: string) => (await agent.get(`${path}?${query}`).expect(200)).body;
    const first = (await read('')) as { entries: Entry[]; next: string };
    expect([first.entries.length, first.next]).toEqual([50, first.entries.at(-1)!.id]);
    const second = (await read(`after=${first.next}`)) as { entries: Entry[]; next: string | null };
    expect(second.entries.length).toBeGreaterThan(0);
    expect(first.entries.map(({ id }) => id)).not.toContain(second.entries[0]!.id);
    const own = (await read('user=no-agent')) as { entries: Entry[]; next: string | null };
    expect(new Set(own.entries.map(({ event }) => event.userId))).toEqual(new Set(['no-agent']));
    for (const query of ['user=', 'user=a&user=b', 'after=', 'after=zzz'])
      await agent.get(`${path}?${query}`).expect(400);
    host.clock.advance(301);
    await agent.get(path).expect(401, /MFA_STEP_UP_REQUIRED/);
    await agent.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    await agent.get(path).expect(200);
  });

  it('counts events, and the refusals that an event stands for', async () => {
    const user = new Client(host, 'counted');
    const { counts } = host.app.get(guide.MfaMetrics);
    await service(MfaEvents).flush();
    counts.clear();
    await user.enroll();
    await user.verify(await user.login(), '000000').expect(401);
    for (let refused = 0; refused < 25; refused += 1) await user.post('/mfa/step-up', { code: 'malformed!' });
    await service(MfaAdminService).unlock('counted', BY_TEST);
    expect(counts.get('mfa.verification.failed user malformed')).toBe(20);
    await service(MfaEvents).flush();
    expect(Object.fromEntries(counts)).toMatchObject({
      'mfa.authenticator.confirmed user': 1,
      'mfa.verification.failed user wrong_code': 1,
      'mfa.verification.failed user malformed': 25,
      'mfa.unlocked system': 1,
    });
  });
});
