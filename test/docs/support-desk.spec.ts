import { join } from 'node:path';
import type { ExecutionContext, Provider, Type } from '@nestjs/common';
import { MfaAdminService, type MfaEvent } from 'nestjs-mfa';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { EnrollingClient, POLICIES } from '../support/policy-host.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, read } from './markdown.js';

const AGENT = 'agent-7';
const ACTIONS = ['/unlock', '/recovery-code', '/reset', '/revoke-devices', '/move'];

let example: Example;
let host: HostApp;
let agent: Client;
let nextAgentCode: () => string;
let ownerMessage: (event: MfaEvent) => string | null;

beforeAll(async () => {
  example = await writeExample(codeFiles(read('docs/guides/support-desk.md')));
  const load = <T>(file: string) => import(join(example.folder, 'src/guides/support', file)) as Promise<T>;
  const { SupportDeskController, SupportListController, SupportRoles } =
    await load<Record<string, Type>>('support-desk.controller.ts');
  ({ ownerMessage } = await load<{ ownerMessage: typeof ownerMessage }>('owner-messages.ts'));
  const isAgent = async (context: ExecutionContext) =>
    context.switchToHttp().getRequest<{ headers: { authorization?: string } }>().headers.authorization?.endsWith(AGENT);
  const providers: Provider[] = [{ provide: SupportRoles!, useValue: { isAgent } }];
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

  it('S102 resets into an enrollment, which a recovery code allows', async () => {
    const user = new EnrollingClient(host, 'robbed');
    await user.enroll();
    await agent.post(path('robbed', '/reset'), { case: 'case 4713' }).expect(204);
    const { mfa_token } = await user.mustEnroll();
    const { body } = await agent.post(path('robbed', '/recovery-code'), { case: 'case 4713' }).expect(200);
    const { confirmed } = await user.enrollTotpBy(mfa_token, { code: body.code, method: 'recovery_code' });
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

  it('S123 moves a user to another user id, where the factors work', async () => {
    const user = new Client(host, 'before-merge');
    const { backupCodes } = await user.enroll();
    const body = { case: 'case 4715', newUserId: 'after-merge' };
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    await agent.post(path('before-merge', '/move'), { newUserId: 'after-merge' }).expect(400, /case/);
    await agent.post(path('before-merge', '/move'), { case: 'case 4714' }).expect(400, /new user id/);
    await agent.post(path('before-merge', '/move'), body).expect(204);
    const moved = new Client(host, 'after-merge');
    await moved.verify(await moved.login(), backupCodes[0]).expect(200);
    await user.verify(await user.login(), backupCodes[1]).expect(401);
    const event = {
      type: 'mfa.user.moved',
      userId: 'after-merge',
      previousUserId: 'before-merge',
      reason: 'case 4715',
    };
    expect(host.state.events).toContainEqual(
      expect.objectContaining({ ...event, actor: { type: 'admin', id: AGENT } }),
    );
  });

  it('ends the trust in every device of a user', async () => {
    await agent.post(path('few-1', '/revoke-devices'), { case: 'case 4716' }).expect(204);
    const event = { type: 'mfa.device.revoked', userId: 'few-1', reason: 'case 4716' };
    expect(host.state.events).toContainEqual(expect.objectContaining(event));
  });

  it('S67 refuses with 400 what a client sends and the services cannot use', async () => {
    const user = new Client(host, 'bad-input');
    await user.enroll();
    await agent.post('/mfa/step-up', { code: nextAgentCode() }).expect(200);
    for (const query of ['after=zzz', 'after=', 'after=a&after=b', 'after=OTk5OTk5OTk5OTk5OmFubg']) {
      await agent.get(`/support/mfa-users/few-codes?${query}`).expect(400, /MfaAdminService.list: `after`/);
      if (query.length < 20) await agent.get(`/support/mfa-users/locked?${query}`).expect(400);
    }
    const body = { case: 'case 4717', newUserId: 'new-id' };
    for (const id of ['a%00b', '%20ann', 'ann%20', 'a'.repeat(256)]) {
      await agent.get(path(id)).expect(400, /MfaStatusService.statusOf: the user id/);
      for (const action of ACTIONS) await agent.post(path(id, action), body).expect(400, /the user id/);
    }
    for (const action of ACTIONS) {
      const url = path('bad-input', action);
      await request(agent.server).post(url).set('Authorization', `Bearer ${agent.session}`).expect(400);
      for (const unusable of ['', 'x'.repeat(501), 7, null, ['case'], { a: 1 }]) {
        await agent.post(url, { ...body, case: unusable }).expect(400, /case|reason/);
      }
    }
    for (const newUserId of ['bad-input', ' new-id', 'a\0b', '', 7, null]) {
      await agent.post(path('bad-input', '/move'), { ...body, newUserId }).expect(400, /new user id|the user id/);
    }
    const status = await agent.get(path('bad-input')).expect(200);
    expect(status.body).toMatchObject({ enabled: true });
  });

  it('sees in an export why a user is refused: a lock, or the daily cap, which no list of locked users shows', async () => {
    const user = new Client(host, 'capped');
    await user.enroll();
    const admin = host.app.get(MfaAdminService, { strict: false });
    const fail = async (status: number) => void (await user.verify(await user.login(), '000000').expect(status));
    const isListed = async () => (await admin.list({ locked: true })).users.some(({ userId }) => userId === 'capped');
    for (let wrong = 0; wrong < 5; wrong += 1) await fail(401);
    const { attempts } = await admin.exportUser('capped');
    expect(attempts).toEqual([
      { factor: 'totp', failures: 5, lockedUntil: new Date(host.clock.nowMs() + 15 * 60_000) },
    ]);
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
    for (const action of ['/reset', '/recovery-code']) {
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

  it('leave out what the owner needs no message about', () => {
    const event = { type: 'mfa.challenge.issued', userId: 'ann', at: new Date(0), actor: { type: 'user' } } as const;
    expect(ownerMessage(event)).toBeNull();
  });
});
