import { join } from 'node:path';
import type { ExecutionContext, Provider, Type } from '@nestjs/common';
import { MfaAdminService, type MfaEvent } from 'nestjs-mfa';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { HostState, startHostApp, type HostApp } from '../support/host-app.js';
import { EnrollingClient, POLICIES, PolicyHost } from '../support/policy-host.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, read } from './markdown.js';

const AGENT = 'agent-7';
const ACTIONS = ['/unlock', '/recovery-code', '/reset', '/revoke-devices'];
/** A second person must approve for this user. */
const DIRECTOR = 'director';

let example: Example;
let host: HostApp;
let agent: Client;
let nextAgentCode: () => string;
let ownerMessage: (event: MfaEvent) => string | null;

beforeAll(async () => {
  example = await writeExample(codeFiles(read('docs/guides/support-desk.md')));
  const load = <T>(file: string) => import(join(example.folder, 'src/guides/support', file)) as Promise<T>;
  const { SupportDeskController, SupportListController, SupportRoles, SupportSessions } =
    await load<Record<string, Type>>('support-desk.controller.ts');
  ({ ownerMessage } = await load<{ ownerMessage: typeof ownerMessage }>('owner-messages.ts'));
  const isAgent = async (context: ExecutionContext) =>
    context.switchToHttp().getRequest<{ headers: { authorization?: string } }>().headers.authorization?.endsWith(AGENT);
  const needsApproval = async (userId: string) => userId === DIRECTOR;
  const providers: Provider[] = [
    { provide: SupportRoles!, useValue: { isAgent, needsApproval } },
    {
      provide: SupportSessions!,
      inject: [HostState],
      useFactory: (state: HostState) => ({ endAll: async (userId: string) => state.signOut(userId) }),
    },
  ];
  host = await startHostApp({ ...POLICIES, providers, controllers: [SupportDeskController!, SupportListController!] });
  agent = new Client(host, AGENT);
  const { authenticator } = await agent.enroll();
  nextAgentCode = () => (host.clock.advance(30), authenticator.code());
});
afterAll(async () => {
  await host?.close();
  await example?.remove();
});

const path = (user: string, action = '') => `/support/users/${user}/mfa${action}`;
const messages = (userId: string) =>
  host.state.events.filter((event) => event.userId === userId).flatMap((event) => ownerMessage(event) ?? []);

describe('the controller of the guide about the support desk', () => {
  it('S104 hands out a code that replaces the factors of the user, and messages go to the owner', async () => {
    const user = new EnrollingClient(host, 'lost-all');
    const { authenticator } = await user.enroll();
    const { body } = await agent.post(path('lost-all', '/recovery-code'), { case: 'case 4711' }).expect(200);
    const proof = { mfa_token: await user.login(), code: body.code.toLowerCase(), method: 'recovery_code' };
    const verified = await user.send('/mfa/verify', proof).expect(200);
    expect(verified.body).toMatchObject({ enrollmentRequired: true });
    const { confirmed } = await user.enrollTotpBy(verified.body.mfa_token);
    expect(confirmed.body).toMatchObject({ login: { accessToken: expect.any(String) as string } });
    host.clock.advance(30);
    await user.verify(await user.login(), authenticator.code()).expect(401);
    expect(messages('lost-all').map((text) => text.split(' on ')[0])).toEqual([
      'A second factor was added',
      'Our support issued a recovery code for your account',
      'A recovery code was used for your account',
      'Your second factors were replaced',
    ]);
    expect(messages('lost-all').join()).not.toContain(body.code);
    const issued = host.state.events.find(({ type }) => type === 'mfa.recovery_code.issued');
    expect(issued).toMatchObject({ actor: { type: 'admin', id: AGENT }, reason: 'case 4711' });
  });

  it('S104 ends the lock of a recovery code by unlock, and shows the status without a secret', async () => {
    const user = new EnrollingClient(host, 'locked');
    await user.enroll();
    const { body } = await agent.post(path('locked', '/recovery-code'), { case: 'case 4712' }).expect(200);
    const mfa_token = await user.login();
    const send = (code: string) => user.send('/mfa/verify', { mfa_token, code, method: 'recovery_code' });
    for (let wrong = 0; wrong < 5; wrong += 1) await send('AAAA-AAAA-AAAA-AAAA').expect(401);
    await send(body.code).expect(429, /MFA_LOCKED/);
    await agent.post(path('locked', '/unlock'), { case: 'case 4712' }).expect(204);
    await send(body.code).expect(200);
    const status = await agent.get(path('locked')).expect(200);
    expect(status.body).toMatchObject({ enabled: true, methods: ['totp', 'backup_code'] });
  });

  it('S102 resets into an enrollment, which only a recovery code allows where the hook returns false', async () => {
    const user = new EnrollingClient(host, 'robbed');
    await user.enroll();
    await agent.post(path('robbed', '/reset'), { case: 'case 4713' }).expect(204);
    PolicyHost.authorizes = () => false;
    const { mfa_token } = await user.mustEnroll();
    await user.send('/mfa/totp/setup', { mfa_token }).expect(401, /MFA_PROOF_REQUIRED/);
    const { body } = await agent.post(path('robbed', '/recovery-code'), { case: 'case 4713' }).expect(200);
    const { confirmed } = await user.enrollTotpBy(mfa_token, { code: body.code, method: 'recovery_code' });
    PolicyHost.restore();
    expect(confirmed.body).toMatchObject({ login: { accessToken: expect.any(String) as string } });
    expect(messages('robbed')).toContainEqual(expect.stringContaining('Our support removed your second factors'));
  });

  it('lists users with few codes and locked users, page by page', async () => {
    const [first, second] = [new Client(host, 'few-1'), new Client(host, 'few-2')];
    const { backupCodes } = await first.enroll();
    await first.verify(await first.login(), backupCodes[0]).expect(200);
    await second.enroll();
    for (let wrong = 0; wrong < 5; wrong += 1) await second.verify(await second.login(), '000000').expect(401);
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    const namesOf = async (list: string) => {
      const { body } = await agent.get(`/support/mfa-users/${list}`).expect(200);
      expect(body.next).toBeNull();
      return (body.users as { userId: string }[]).map(({ userId }) => userId);
    };
    expect(await namesOf('few-codes')).toContain('few-1');
    expect(await namesOf('few-codes')).not.toContain('few-2');
    expect(await namesOf('locked')).toEqual(['few-2']);
    await first.get('/support/mfa-users/locked').expect(403);
  });

  it('ends the trust in every device of a user, and the sessions', async () => {
    const [user, other] = [new Client(host, 'lost-laptop'), new Client(host, 'few-1')];
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    await user.get('/mfa/status').expect(200);
    await agent.post(path('lost-laptop', '/revoke-devices'), { case: 'case 4716' }).expect(204);
    const event = { type: 'mfa.device.revoked', userId: 'lost-laptop', reason: 'case 4716' };
    expect(host.state.events).toContainEqual(expect.objectContaining(event));
    await user.get('/mfa/status').expect(401);
    await other.get('/mfa/status').expect(200);
  });

  it('does nothing for which a second person must approve, and ends the sessions of such a user', async () => {
    const user = new Client(host, DIRECTOR);
    await user.enroll();
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    const body = { case: 'case 4718' };
    for (const action of ['/unlock', '/recovery-code', '/reset']) {
      await agent.post(path(DIRECTOR, action), body).expect(403, /second person/);
    }
    const { enabled, recoveryCode } = await host.app.get(MfaAdminService, { strict: false }).exportUser(DIRECTOR);
    expect([enabled, recoveryCode]).toEqual([true, null]);
    await agent.post(path(DIRECTOR, '/revoke-devices'), body).expect(204);
    await user.get('/mfa/status').expect(401);
  });

  it('S67 refuses with 400 what a client sends and the services cannot use', async () => {
    const user = new Client(host, 'bad-input');
    await user.enroll();
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    for (const query of ['after=zzz', 'after=', 'after=a&after=b', 'after=OTk5OTk5OTk5OTk5OmFubg']) {
      await agent.get(`/support/mfa-users/few-codes?${query}`).expect(400, /MfaAdminService.list: `after`/);
      if (query.length < 20) await agent.get(`/support/mfa-users/locked?${query}`).expect(400);
    }
    const body = { case: 'case 4717' };
    for (const id of ['a%00b', '%20ann', 'ann%20', 'a'.repeat(256)]) {
      await agent.get(path(id)).expect(400, /MfaStatusService.statusOf: the user id/);
      await agent.get(path(id, '/attempts')).expect(400, /MfaAdminService.exportUser: the user id/);
      for (const action of ACTIONS) await agent.post(path(id, action), body).expect(400, /the user id/);
    }
    for (const action of ACTIONS) {
      const url = path('bad-input', action);
      await request(agent.server).post(url).set('Authorization', `Bearer ${agent.session}`).expect(400);
      for (const unusable of ['', 'x'.repeat(501), 7, null, ['case'], { a: 1 }]) {
        await agent.post(url, { ...body, case: unusable }).expect(400, /case|reason/);
      }
    }
    const status = await agent.get(path('bad-input')).expect(200);
    expect(status.body).toMatchObject({ enabled: true });
  });

  it('shows why a user is refused: a lock, or the daily cap, which no list of locked users shows', async () => {
    const user = new Client(host, 'capped');
    await user.enroll();
    const admin = host.app.get(MfaAdminService, { strict: false });
    const fail = async (status: number) => void (await user.verify(await user.login(), '000000').expect(status));
    const isListed = async () => (await admin.list({ locked: true })).users.some(({ userId }) => userId === 'capped');
    for (let wrong = 0; wrong < 5; wrong += 1) await fail(401);
    const lockedAtMs = host.clock.nowMs();
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    const { body } = await agent.get(path('capped', '/attempts')).expect(200);
    const { attempts } = await admin.exportUser('capped');
    expect(attempts).toEqual([{ factor: 'totp', failures: 5, lockedUntil: new Date(lockedAtMs + 15 * 60_000) }]);
    expect(body).toEqual({ attempts: JSON.parse(JSON.stringify(attempts)) as unknown });
    host.clock.advance(15 * 60);
    for (let wrong = 0; wrong < 5; wrong += 1) await fail(401);
    host.clock.advance(31 * 60);
    await fail(429);
    expect(await isListed()).toBe(false);
    const refused = { type: 'mfa.verification.failed', userId: 'capped', factor: 'totp', failure: 'locked' };
    await expect.poll(() => host.state.events).toContainEqual(expect.objectContaining(refused));
    await admin.unlock('capped', { actor: { userId: AGENT } });
    await fail(401);
  });

  it('refuses other roles, the own account, an action without a case, and a second factor older than five minutes', async () => {
    const other = new Client(host, 'no-agent');
    await other.enroll();
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    const body = { case: 'case 4714' };
    await other.post(path('lost-all', '/reset'), body).expect(403, /Forbidden/);
    await other.get(path('lost-all', '/attempts')).expect(403, /Forbidden/);
    for (const action of ACTIONS) {
      await agent.post(path(AGENT, action), body).expect(403, /colleague/);
      await agent.post(path('lost-all', action)).expect(400, /case/);
    }
    host.clock.advance(301);
    await agent.post(path('lost-all', '/reset'), body).expect(401, /MFA_STEP_UP_REQUIRED/);
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    await agent.post(path('lost-all', '/reset'), body).expect(204);
    // What the controller checks for resets, the module checks for recovery codes.
    const issue = host.app
      .get(MfaAdminService, { strict: false })
      .issueRecoveryCode(AGENT, { actor: { userId: AGENT } });
    await expect(issue).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
  });
});

describe('the messages of the guide', () => {
  it('exist for every change, and for issue and use of a recovery code', () => {
    const rows = read('docs/reference/events.md').matchAll(/^\| \*\*`(mfa\.[\w.]+)`/gm);
    const changes = [...rows].map(([, type]) => type!).filter((type) => type !== 'mfa.login.superseded');
    expect(changes.length).toBeGreaterThan(5);
    const authenticator = { id: '1', type: 'totp', name: 'Phone', createdAt: new Date() };
    for (const type of [...changes, 'mfa.recovery_code.issued', 'mfa.recovery_code.used']) {
      const event = { type, userId: 'ann', at: new Date(0), actor: { type: 'user' }, authenticator } as MfaEvent;
      expect(ownerMessage(event), type).toContain('1970-01-01 00:00 UTC');
    }
  });

  it('name the factor that was removed, where its row exists', () => {
    const removed = { type: 'mfa.authenticator.removed', userId: 'ann', at: new Date(0), actor: { type: 'user' } };
    const text = (more: object) => ownerMessage({ ...removed, ...more } as MfaEvent);
    expect(text({ authenticator: { name: 'Phone' } })).toContain('UTC: Phone.');
    expect(text({})).toContain('UTC: name unknown.');
  });

  it('leave out what the owner needs no message about', () => {
    const event = { type: 'mfa.challenge.issued', userId: 'ann', at: new Date(0), actor: { type: 'user' } } as const;
    expect(ownerMessage(event)).toBeNull();
  });
});
