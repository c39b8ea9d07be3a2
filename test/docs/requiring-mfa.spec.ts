import { join } from 'node:path';
import type { ExecutionContext, Provider, Type } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MfaAdminService, MfaChallengeService, type MfaLogin } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Client } from '../support/client.js';
import { HostState, startHostApp, TestHost, type HostApp } from '../support/host-app.js';
import { newKey, PASSKEYS } from '../support/passkey-client.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, read } from './markdown.js';

const GUIDE = read('docs/guides/requiring-mfa.md');
const DAY = 24 * 60 * 60;

interface GuideUser {
  id: string;
  email: string;
  role: string;
  tenant: { id: string; requiresMfa: boolean; mfaDeadline: Date | null };
}

let example: Example;
let host: HostApp;
let finishLogin: (post: object, login: object, pages: object) => Promise<Record<string, unknown> | null>;
const users = new Map<string, GuideUser>();
const mails: { to: string; text: string }[] = [];

const load = <T>(file: string) => import(join(example.folder, 'src/guides/required', file)) as Promise<T>;

/** A user of a tenant that requires MFA, at once unless the tenant says otherwise. */
function addUser(id: string, { role = 'member', ...tenant }: { role?: string; [name: string]: unknown } = {}) {
  const user = { id, email: `${id}@example.test`, role };
  users.set(id, { ...user, tenant: { id: 'acme', requiresMfa: true, mfaDeadline: new Date(0), ...tenant } });
}

beforeAll(async () => {
  example = await writeExample(codeFiles(GUIDE));
  const { Users, Mailer } = await load<Record<string, Type>>('users.ts');
  const { SignIn, SignInSessions } = await load<Record<string, Type>>('sign-in.ts');
  const { LoginController, FirstFactorChecks } = await load<Record<string, Type>>('login.controller.ts');
  const { EnrollmentCode, EnrollmentCodes } = await load<Record<string, Type>>('enrollment-codes.ts');
  const { RequiringHost } = await load<{ RequiringHost: typeof TestHost }>('requiring-host.ts');
  const { Announcement } = await load<Record<string, Type>>('announcement.ts');
  const { Reminders } = await load<Record<string, Type>>('reminders.ts');
  const { EnrollmentController } = await load<Record<string, Type>>('enrollment.controller.ts');
  ({ finishLogin } = await load<{ finishLogin: typeof finishLogin }>('login-client.ts'));

  const find = async (id: string) => {
    const user = users.get(id);
    if (!user) throw new Error('no such user');
    return user;
  };
  const directory = {
    find,
    page: async (after: string | null) =>
      [...users.values()].filter(({ id }) => after === null || id > after).slice(0, 2),
  };
  class GuideHost extends TestHost {
    override policy(userId: string) {
      return RequiringHost.prototype.policy!.call({ users: directory }, userId) as never;
    }
    override authorizeEnrollment(userId: string, asked: never, context?: ExecutionContext) {
      const codes = host.app.get(EnrollmentCodes!, { strict: false }) as object;
      return RequiringHost.prototype.authorizeEnrollment!.call({ users: directory, codes }, userId, asked, context);
    }
  }
  Reflect.defineMetadata('design:paramtypes', Reflect.getMetadata('design:paramtypes', TestHost), GuideHost);

  const byId = (id: string) => find(id);
  const providers: Provider[] = [
    { provide: Users!, useValue: directory },
    {
      provide: Mailer!,
      useValue: { send: async (to: string, _: string, text: string) => void mails.push({ to, text }) },
    },
    { provide: FirstFactorChecks!, useValue: { byPassword: byId, byLink: byId, byProvider: () => byId('olga') } },
    {
      provide: SignInSessions!,
      inject: [HostState],
      useFactory: (state: HostState) => ({
        open: async ({ userId, amr }: MfaLogin) => ({ accessToken: state.signIn(userId, { amr }) }),
      }),
    },
    ...[SignIn!, EnrollmentCodes!, Announcement!, Reminders!],
  ];
  host = await startHostApp({
    host: GuideHost,
    providers,
    controllers: [LoginController!, EnrollmentController!],
    imports: [TypeOrmModule.forFeature([EnrollmentCode!])],
    options: { ...PASSKEYS, backupCodes: { count: 4 } },
  });
  const [table] = codeFiles(GUIDE, 'sql').values();
  await host.dataSource.query(table!);
});
afterEach(() => void mails.splice(0));
afterAll(async () => {
  await host?.close();
  await example?.remove();
});

const server = () => host.app.getHttpServer() as Parameters<typeof request>[0];
const post = async (path: string, body: object) => {
  const { status, body: answer } = await request(server()).post(path).send(body);
  return { status, body: answer as Record<string, string> };
};
const login = async (email: string) => (await post('/sign-in/password', { email })).body;
const mailedCode = () => /code is (\w+)\./.exec(mails.at(-1)!.text)![1]!;

/** The pages of a user with an authenticator app, and what was asked of them. */
function appPages(more: object = {}) {
  const asked: string[] = [];
  let app: VirtualAuthenticator;
  const pages = {
    chooseMethod: async () => 'totp',
    emailCode: async () => (asked.push('e-mail'), mailedCode()),
    scan: async ({ otpauthUri }: { otpauthUri: string }) => {
      app = new VirtualAuthenticator(otpauthUri, host.clock);
      return app.code();
    },
    saveBackupCodes: async (codes: string[]) => void asked.push(`${codes.length} codes`),
    secondStep: async () => (host.clock.advance(30), { code: app.code() }),
    ...more,
  };
  return { asked, pages };
}

describe('the guide about required MFA', () => {
  it('S100 leads a user of every login path through the e-mailed code to a session', async () => {
    for (const id of ['paula', 'olga', 'lena']) addUser(id);
    const oauth = await request(server()).get('/sign-in/oauth/callback').expect(302);
    expect(oauth.headers.location).toBe('/login/second-step');
    const cookie = [oauth.headers['set-cookie']].flat().join().split(';')[0]!;
    const redirected = await request(server()).get('/mfa/challenge').set({ cookie }).expect(200);
    const byCookie = { ...redirected.body, mfa_token: cookie.split('=')[1] };
    const issue = vi.spyOn(host.app.get(MfaChallengeService, { strict: false }), 'issue');
    const link = (await post('/sign-in/link', { token: 'lena' })).body;
    expect(issue.mock.lastCall?.[1]).toMatchObject({ firstFactor: 'email', amr: ['email'] });
    for (const [id, result] of [
      ['paula', await login('paula')],
      ['olga', byCookie],
      ['lena', link],
    ] as const) {
      expect(result).toMatchObject({ mfaRequired: true, enrollmentRequired: true });
      expect(result).not.toHaveProperty('accessToken');
      const { asked, pages } = appPages();
      const session = await finishLogin(post, result, pages);
      expect(session).toEqual({ accessToken: expect.stringMatching(id) as string });
      expect(asked).toEqual(['e-mail', '4 codes']);
      expect(mails.at(-1)).toMatchObject({ to: `${id}@example.test` });
      // The second login needs the new factor, and no enrollment.
      expect(await finishLogin(post, await login(id), pages)).toEqual({
        accessToken: expect.stringMatching(id) as string,
      });
      expect(asked).toHaveLength(2);
    }
  });

  it('S100 refuses a wrong, a used and an old code, and sends one mail a minute', async () => {
    addUser('mallory');
    const setup = async (emailCode?: unknown) => {
      const { mfa_token } = await login('mallory');
      return (await post('/mfa/totp/setup', { mfa_token, emailCode })).body.code ?? 'set up';
    };
    const refused = 'ACME_EMAIL_CODE_REQUIRED';
    expect(await setup()).toBe(refused);
    expect(await setup()).toBe(refused);
    expect(mails).toHaveLength(1);
    const code = mailedCode();
    for (const wrong of ['0000000000', '', {}, [code]]) expect(await setup(wrong)).toBe(refused);
    expect(await setup(` ${code.toUpperCase()} `)).toBe('set up');
    expect(await setup(code)).toBe(refused);
    expect(await setup()).toBe(refused);
    const next = mailedCode();
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 15 * 60_000 });
    try {
      expect(await setup(next)).toBe(refused);
    } finally {
      vi.useRealTimers();
    }
  });

  it('S101 shows the due date within the grace time, and reminds of it', async () => {
    const dueAt = new Date(host.clock.nowMs() + 14 * DAY * 1000);
    addUser('grace', { id: 'late', mfaDeadline: null });
    addUser('zoe', { id: 'late', mfaDeadline: null });
    expect(await login('grace')).toMatchObject({
      accessToken: expect.any(String) as string,
      enrollmentDueAt: dueAt.toISOString(),
    });
    const send = async () => {
      const { Reminders } = await load<Record<string, Type<{ send(tenant: string): Promise<void> }>>>('reminders.ts');
      await host.app.get(Reminders!, { strict: false }).send('late');
      return mails.splice(0).map(({ to }) => to);
    };
    expect(await send()).toEqual([]);
    host.clock.advance(11 * DAY);
    await login('zoe');
    expect(await send()).toEqual(['grace@example.test']);
    host.clock.advance(3 * DAY);
    expect(await login('grace')).toMatchObject({ enrollmentRequired: true });
  });

  it('S102 lets an administrator who has only an authenticator app add a passkey within the login', async () => {
    addUser('root', { requiresMfa: false });
    const { authenticator } = await new Client(host, 'root').enroll();
    addUser('root', { role: 'admin' });
    const key = newKey();
    const pages = {
      secondStep: async () => ({ code: authenticator.code() }),
      chooseMethod: async (methods: string[]) => methods.join(),
      createPasskey: async (options: never) => key.create(options),
    };
    const session = await finishLogin(post, await login('root'), pages);
    expect(session).toEqual({ accessToken: expect.stringMatching('root') as string });
    expect(mails).toEqual([]);
    expect(await login('root')).toMatchObject({ methods: ['passkey', 'backup_code'] });
  });

  it('S102 lets a user enroll after a reset by a recovery code only', async () => {
    addUser('dave');
    const first = appPages();
    await finishLogin(post, await login('dave'), first.pages);
    const admin = host.app.get(MfaAdminService, { strict: false });
    await admin.reset('dave', { actor: { userId: 'agent' }, reason: 'case 4711' });
    mails.splice(0);
    const { code } = await admin.issueRecoveryCode('dave', { actor: { userId: 'agent' } });
    const { asked, pages } = appPages({ recoveryCode: async () => (asked.push('recovery code'), code) });
    const session = await finishLogin(post, await login('dave'), pages);
    expect(session).toEqual({ accessToken: expect.stringMatching('dave') as string });
    expect(asked).toEqual(['recovery code', '4 codes']);
    expect(mails).toEqual([]);
  });

  it('announces the policy to users without a factor, also to those who never signed in', async () => {
    const { Announcement } = await load<Record<string, Type<{ send(from: Date): Promise<number> }>>>('announcement.ts');
    addUser('zz-new');
    const before = users.size;
    const count = await host.app.get(Announcement!, { strict: false }).send(new Date(0));
    expect(count).toBe(mails.length);
    expect(count).toBeLessThan(before);
    expect(mails.map(({ to }) => to)).toContain('zz-new@example.test');
    expect(mails.map(({ to }) => to)).not.toContain('paula@example.test');
  });

  it('S100 enrolls by an own controller, and takes no object for a token', async () => {
    addUser('carol');
    const { mfa_token } = await login('carol');
    await post('/mfa/totp/setup', { mfa_token });
    expect((await post('/mfa/totp/setup', { mfa_token, emailCode: mailedCode() })).status).toBe(200);
    const setup = await post('/sign-in/enrollment/setup', { mfa_token });
    const code = new VirtualAuthenticator(setup.body.otpauthUri!, host.clock).code();
    const forged = { userId: 'carol', accountName: 'carol' };
    for (const path of ['setup', 'confirm']) {
      const refused = await post(`/sign-in/enrollment/${path}`, { mfa_token: forged, code });
      expect(refused).toMatchObject({ status: 401, body: { code: 'MFA_TOKEN_INVALID' } });
    }
    const confirmed = await post('/sign-in/enrollment/confirm', { mfa_token, code });
    expect(confirmed.body).toMatchObject({ enabled: true, login: { accessToken: expect.any(String) as string } });
  });
});
