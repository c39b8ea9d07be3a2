import type { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { testServers } from '../../../../test/support/databases.js';
import { Browser } from '../../../../test/support/device-client.js';
import { DemoClient, PASSWORD } from '../../../../test/support/demo-client.js';
import { watchEvents } from '../../../../test/support/watch-events.js';
import { makeAdmin } from '../make-admin.js';

const VARIANTS = [
  { httpAdapter: 'express', database: 'sqlite' } as const,
  { httpAdapter: 'fastify', database: 'sqlite' } as const,
  ...testServers.map((database) => ({ httpAdapter: 'express' as const, database })),
];
const REASON = { reason: 'case 4711: lost phone' };
const ACTIONS = ['unlock', 'reset', 'recovery-code', 'revoke-devices'];
const NOBODY = '00000000-0000-4000-8000-000000000000';

interface Person {
  id: string;
  email: string;
  token: string;
  authenticator: VirtualAuthenticator;
  backupCodes: string[];
}

describe.each(VARIANTS)('the admin routes of the demo on $httpAdapter and $database', ({ httpAdapter, database }) => {
  let demo: DemoClient;
  let admin: Person;
  let count = 0;

  const login = ({ email }: Person) => demo.post('/auth/login', { email, password: PASSWORD }).expect(200);
  const show = async ({ id }: Person) => (await demo.get(`/admin/users/${id}`, admin.token).expect(200)).body;
  const act = (action: string, { id }: Person, body: object = REASON) =>
    demo.post(`/admin/users/${id}/${action}`, body, admin.token);
  const find = async (query: object) =>
    (await demo.get('/admin/users', admin.token).query(query).expect(200)).body as {
      users: { id: string; email: string }[];
      next: string | null;
    };
  const emailsOf = async (query: object) => (await find(query)).users.map(({ email }) => email);

  async function register(email = `user${++count}@example.com`, role = 'member') {
    const { accessToken } = (await demo.post('/auth/register', { email, password: PASSWORD, role }).expect(200)).body;
    const { id } = (await demo.get('/auth/me', accessToken).expect(200)).body as { id: string };
    return { id, email, token: accessToken as string };
  }
  async function enrolled(email?: string): Promise<Person> {
    const user = await register(email);
    return { ...user, ...(await demo.enroll(user.token)) };
  }
  /** The second factor of the administrator is new again. */
  async function stepUp(person = admin) {
    await demo.post('/mfa/step-up', { code: person.authenticator.code() }, person.token).expect(200);
    demo.clock.advance(30);
  }
  /** The event of the administrator's action, without its time. */
  async function eventOf(work: () => PromiseLike<{ status: number }>) {
    const events = watchEvents();
    expect((await work()).status).toBe(200);
    return (await events.stop()).at(-1);
  }

  beforeAll(async () => {
    demo = await DemoClient.start(httpAdapter, database);
    admin = await enrolled('root@example.com');
    expect(await makeAdmin(demo.config, ' ROOT@example.com')).toBe(true);
  });
  afterAll(() => demo?.stop());

  it('makes nobody an administrator by a registration, or for an unknown address', async () => {
    const registration = { email: 'mallory@example.com', password: PASSWORD, role: 'admin' };
    await demo.post('/auth/register', registration).expect(400, /role must be one of: member, manager, staff/);
    expect(await makeAdmin(demo.config, 'mallory@example.com')).toBe(false);
  });

  it('refuses every route to visitors with 401, and to members and managers with 403, also with a fresh factor', async () => {
    const member = await enrolled();
    const manager = await register(undefined, 'manager');
    for (const [token, status] of [
      ['', 401],
      [member.token, 403],
      [manager.token, 403],
    ] as const) {
      await demo.get('/admin/users', token).expect(status);
      await demo.get(`/admin/users/${admin.id}`, token).expect(status);
      await demo.get('/admin/audit', token).expect(status);
      for (const action of ACTIONS) await demo.post(`/admin/users/${admin.id}/${action}`, REASON, token).expect(status);
    }
    expect((await demo.get('/mfa/status', admin.token).expect(200)).body.enabled).toBe(true);
  });

  it('asks an administrator for a step-up at every route after five minutes', async () => {
    demo.clock.advance(301);
    const reads = ['/admin/users', `/admin/users/${admin.id}`, '/admin/audit'];
    const routes = reads.map((path) => demo.get(path, admin.token));
    for (const refused of await Promise.all([...routes, ...ACTIONS.map((each) => act(each, admin))])) {
      expect([refused.status, refused.body.code]).toEqual([401, 'MFA_STEP_UP_REQUIRED']);
    }
    await stepUp();
    await demo.get('/admin/users', admin.token).expect(200);
  });

  it('requires a second factor of a new administrator, and reads the role at each request', async () => {
    const user = await register();
    await demo.get('/admin/users', user.token).expect(403, /Only for administrators/);
    expect(await makeAdmin(demo.config, user.email)).toBe(true);
    await demo.get('/admin/users', user.token).expect(403, /MFA_ENROLLMENT_REQUIRED/);
    expect((await demo.post('/auth/login', { email: user.email, password: PASSWORD })).body).toMatchObject({
      enrollmentRequired: true,
    });
    await demo.enroll(user.token);
    await demo.get('/admin/users', user.token).expect(200);
  });

  it('finds users by a part of the address, in pages, and takes wildcards for what they are', async () => {
    await stepUp();
    const emails = Array.from({ length: 22 }, (_, index) => `page-${String(index).padStart(2, '0')}@example.com`);
    for (const email of [...emails, 'under_score@example.com', 'under-score@example.com', 'per%cent!@example.com']) {
      await register(email);
    }
    const first = await find({ search: ' PAGE-' });
    const second = await find({ search: 'page-', after: first.next });
    expect([...first.users, ...second.users].map(({ email }) => email)).toEqual(emails);
    expect([first.users.length, second.next]).toEqual([20, null]);
    expect(await emailsOf({ search: 'r_s' })).toEqual(['under_score@example.com']);
    expect(await emailsOf({ search: '%cent!' })).toEqual(['per%cent!@example.com']);
    expect((await find({ search: 'root@' })).users).toEqual([
      {
        ...{ id: admin.id, email: 'root@example.com', role: 'admin', enabled: true },
        ...{ methods: ['totp', 'backup_code'], backupCodesRemaining: 10 },
      },
    ]);
  });

  it('shows a lock and lists the user, until it is unlocked', async () => {
    await stepUp();
    const user = await enrolled();
    const { mfa_token } = (await login(user)).body;
    for (let i = 0; i < 5; i++) await demo.post('/mfa/verify', { mfa_token, code: `00000${i}` }).expect(401);
    expect((await show(user)).locks).toMatchObject([{ factor: 'totp', failures: 5 }]);
    expect(await emailsOf({ list: 'locked' })).toEqual([user.email]);
    expect(await eventOf(() => act('unlock', user))).toBe('mfa.unlocked');
    expect((await show(user)).locks).toEqual([]);
    expect(await emailsOf({ list: 'locked' })).toEqual([]);
    await demo.post('/mfa/verify', { mfa_token, code: user.authenticator.code() }).expect(200);
  });

  it('lists users with few backup codes', async () => {
    await stepUp();
    const user = await enrolled();
    for (const code of user.backupCodes.slice(0, 7)) {
      const { mfa_token } = (await login(user)).body;
      await demo.post('/mfa/verify', { mfa_token, code }).expect(200);
    }
    expect(await emailsOf({ list: 'few-codes' })).toEqual([user.email]);
    expect(await emailsOf({ list: 'disabled' })).toEqual([]);
  });

  it('S102 S104 resets a user, who enrolls with the recovery code of the administrator', async () => {
    await stepUp();
    const user = await enrolled();
    expect(await eventOf(() => act('reset', user))).toBe('mfa.reset');
    await demo.get('/auth/me', user.token).expect(401);
    expect(await show(user)).toMatchObject({ enabled: false, mustEnrollSince: expect.any(String) as string });
    expect(await emailsOf({ list: 'must-enroll' })).toEqual([user.email]);
    const issued = await act('recovery-code', user).expect(200);
    expect(issued.headers['cache-control']).toBe('no-store');
    expect(issued.body).toEqual({
      code: expect.stringMatching(/^([A-Z0-9]{4}-){3}[A-Z0-9]{4}$/) as string,
      expiresAt: expect.any(String) as string,
    });
    expect(JSON.stringify(await show(user))).not.toContain(issued.body.code);
    const { mfa_token } = (await login(user)).body;
    await demo.post('/mfa/totp/setup', { mfa_token }).expect(401, /MFA_PROOF_REQUIRED/);
    const proof = { code: issued.body.code as string, method: 'recovery_code' };
    await demo.post('/mfa/totp/setup', { mfa_token, ...proof }).expect(200);
  });

  it('ends the trust in the browsers of a user', async () => {
    await stepUp();
    const user = await enrolled();
    const browser = new Browser();
    const { mfa_token } = (await login(user)).body;
    const code = user.authenticator.code();
    browser.keep(await demo.post('/mfa/verify', { mfa_token, code, rememberDevice: true }).expect(200));
    expect((await show(user)).devices).toHaveLength(1);
    expect(await eventOf(() => act('revoke-devices', user))).toBe('mfa.device.revoked');
    expect((await show(user)).devices).toEqual([]);
    expect((await login(user).set('Cookie', browser.header)).body.mfaRequired).toBe(true);
  });

  it('S104 refuses an administrator a recovery code and a reset for the own account with 400, and says why', async () => {
    await stepUp();
    expect((await act('recovery-code', admin).expect(400)).body.message).toEqual([
      'an administrator cannot issue a recovery code for their own account',
    ]);
    await act('reset', admin).expect(400, /Ask another administrator/);
    expect(await show(admin)).toMatchObject({ enabled: true, recoveryCode: null });
  });

  it.each([
    ['no reason', {}],
    ['an empty reason', { reason: '  ' }],
    ['a reason of 201 characters', { reason: 'a'.repeat(201) }],
    ['control characters', { reason: 'a\u0000b' }],
    ['a lone surrogate', { reason: '\ud800' }],
    ['a list', { reason: ['a'] }],
    ['an object', { reason: { a: 1 } }],
    ['null', { reason: null }],
  ])('S67 refuses %s with 400 and does nothing', async (_, body) => {
    await stepUp();
    const events = watchEvents();
    for (const action of ACTIONS) {
      await act(action, admin, body).expect(400, /reason must be a text of 1 to 200 characters/);
    }
    expect(await events.stop()).toEqual([]);
  });

  it('S67 refuses any query with 400, and any id of nobody with 404', async () => {
    await stepUp();
    for (const query of [
      ...['list=all', 'list=', 'list=locked&list=locked', 'list=toString', 'after=%00', 'after=', 'search=%00'],
      ...['list=locked&after=x', `search=${'a'.repeat(300)}`, 'search=a&search=b', 'search=%F0%9F%98%80'],
    ]) {
      const { status } = await demo.get(`/admin/users?${query}`, admin.token);
      expect([query, status]).toEqual([query, 400]);
    }
    for (const query of ['search', 'search[a]=b', '__proto__=1', 'after=%25', 'search=%27%22%5C!_%25', 'x[][][]=1']) {
      expect([query, (await demo.get(`/admin/users?${query}`, admin.token)).status]).toEqual([query, 200]);
    }
    for (const id of [NOBODY, 'x', '%00', '%F0%9F%98%80', `${admin.id}x`, '__proto__', `${'a'.repeat(60)}`]) {
      await demo.get(`/admin/users/${id}`, admin.token).expect(404);
      for (const action of ACTIONS) await demo.post(`/admin/users/${id}/${action}`, REASON, admin.token).expect(404);
    }
    await demo.get('/admin/users/%E0%A4%A', admin.token).expect(400);
  });

  it('keeps every action in the audit log, with the administrator, the reason and the request', async () => {
    await stepUp();
    const user = await enrolled();
    for (const action of ACTIONS) await act(action, user, { reason: `for ${action}` }).expect(200);
    const log = async (query: object) =>
      (await demo.get('/admin/audit', admin.token).query(query).expect(200)).body as {
        entries: { id: string; type: string; reason?: string; user: string; actor: string }[];
        next: string | null;
      };
    const request = { ip: expect.stringContaining('127.0.0.1') as string };
    const byAdmin = (type: string, reason: string) =>
      expect.objectContaining({
        type,
        reason,
        state: 'done',
        user: user.email,
        actor: admin.email,
        ...request,
      }) as object;
    await vi.waitFor(async () => {
      const { entries, next } = await log({ user: user.id });
      expect(next).toBeNull();
      expect(entries.filter(({ actor }) => actor === admin.email).toReversed()).toEqual([
        byAdmin('mfa.unlocked', 'for unlock'),
        byAdmin('mfa.reset', 'for reset'),
        byAdmin('mfa.recovery_code.issued', 'for recovery-code'),
        byAdmin('mfa.device.revoked', 'for revoke-devices'),
      ]);
      expect(entries).toContainEqual(
        expect.objectContaining({ type: 'mfa.setup.started', user: user.email, actor: user.email }),
      );
    });
    for (let i = 0; i < 20; i++) await act('unlock', user).expect(200);
    const first = await log({});
    const second = await log({ after: first.next });
    const ids = [...first.entries, ...second.entries].map(({ id }) => id);
    expect(first.entries).toHaveLength(20);
    expect(ids).toEqual([...new Set(ids)].toSorted().toReversed());
    for (const query of ['user=x', `user=${NOBODY}x`, 'after=x', 'after=0', 'after=%00', 'after=', 'user=']) {
      await demo.get(`/admin/audit?${query}`, admin.token).expect(400);
    }
    expect(await log({ user: NOBODY })).toEqual({ entries: [], next: null });
  });

  it('describes its routes in the API description', async () => {
    const { body } = await demo.get('/docs-json').expect(200);
    const paths = Object.keys(body.paths).filter((path) => path.startsWith('/admin'));
    expect(paths).toEqual([
      ...['/admin/users', '/admin/users/{id}', ...ACTIONS.map((each) => `/admin/users/{id}/${each}`)],
      '/admin/audit',
    ]);
    expect(body.paths['/admin/users/{id}/reset'].post.security).toEqual([{ bearer: [] }, { cookie: [] }]);
  });
});
