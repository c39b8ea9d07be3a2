import { join } from 'node:path';
import { MfaAdminService } from 'nestjs-mfa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Example } from './example.js';
import { type DevicesGuide, startDevicesGuide, writeDevicesGuide } from './devices-guide.js';
import { read } from './markdown.js';

const DAY = 24 * 60 * 60;
let example: Example;
beforeAll(async () => {
  example = await writeDevicesGuide();
});
afterAll(() => example?.remove());

describe.each(['express', 'fastify'] as const)('the guide about trusted devices, on %s', (adapter) => {
  let guide: DevicesGuide;
  let host: DevicesGuide['host'];
  let pages: DevicesGuide['pages'];
  let mails: string[];
  const newUser: DevicesGuide['newUser'] = (...given) => guide.newUser(...given);
  const browserOf = () => guide.browserOf();

  beforeAll(async () => {
    guide = await startDevicesGuide(example, adapter);
    ({ host, pages, mails } = guide);
  });
  afterAll(() => host?.close());

  const PATHS: Record<'the password' | 'OAuth' | 'the link', (id: string) => ['GET' | 'POST', string, object?]> = {
    'the password': (id: string) => ['POST', '/login/password', { email: id, password: 'x' }],
    OAuth: (id: string) => ['GET', `/login/oauth/callback?code=${id}`],
    'the link': (id: string) => ['POST', '/login/link', { token: id }],
  };

  /** Whether the first factor alone opens a session. */
  async function isTrusted(
    id: string,
    { browser, ask }: ReturnType<DevicesGuide['browserOf']>,
    path = PATHS['the password'],
  ) {
    browser.cookies.delete('session');
    browser.cookies.delete('mfa_token');
    await ask(...path(id));
    return browser.cookies.has('session');
  }

  async function trust(id: string, its: ReturnType<DevicesGuide['browserOf']>, code: string, remember = true) {
    const { mfa_token } = await its.send<{ mfa_token: string }>(...PATHS['the password'](id));
    expect(await pages.verify(its.send, mfa_token, code, remember)).toEqual({ signedIn: true });
    host.clock.advance(30);
  }

  it.each(Object.entries(PATHS))(
    'S111 S113 skips the second step of a login by %s in this browser only',
    async (name, path) => {
      const user = `by-${name.replaceAll(' ', '-')}`;
      const { authenticator } = await newUser(user);
      const [mine, other] = [browserOf(), browserOf()];
      const first = await mine.ask(...path(user));
      if (name !== 'the password') {
        expect(first.headers.location ?? (first.body as { next: string }).next).toBe('/login/second-step');
      }
      const { mfa_token } = first.body as { mfa_token?: string };
      // After a redirect the token is in its cookie.
      expect(await pages.verify(mine.send, mfa_token, authenticator.code(), true)).toEqual({ signedIn: true });
      const provedAt = new Date(host.clock.nowMs());
      expect(mails).toEqual([
        expect.stringMatching(/^A device was trusted on .* UTC: Firefox\. .*without your second factor/),
      ]);
      host.clock.advance(DAY);
      expect([await isTrusted(user, mine, path), await isTrusted(user, other, path)]).toEqual([true, false]);
      const session = host.state.sessions.get(mine.browser.cookies.get('session')!);
      expect(session).toMatchObject({
        amr: [{ 'the password': 'pwd', OAuth: 'fed' }[name] ?? 'email', 'mfa'],
        mfaAt: provedAt,
        factor: null,
      });
      expect((await mine.ask('GET', '/payouts')).status).toBe(200);
      expect((await mine.ask('GET', '/transfers')).body).toMatchObject({ code: 'MFA_STEP_UP_REQUIRED' });
      // One trust counts for every login path, until the password changes.
      for (const each of Object.values(PATHS)) expect(await isTrusted(user, mine, each)).toBe(true);
      guide.users.get(user)!.passwordHash = 'hash-2';
      expect(await isTrusted(user, mine, path)).toBe(false);
    },
  );

  it('trusts nothing without the tick, and ends after 30 days', async () => {
    const { authenticator } = await newUser('ann');
    const mine = browserOf();
    await trust('ann', mine, authenticator.code(), false);
    expect(await isTrusted('ann', mine)).toBe(false);
    await trust('ann', mine, authenticator.code());
    expect(await isTrusted('ann', mine)).toBe(true);
    host.clock.advance(30 * DAY);
    expect(await isTrusted('ann', mine)).toBe(false);
  });

  it('keeps a user without a password trusted, at every login', async () => {
    const { authenticator } = await newUser('olga', null);
    const mine = browserOf();
    await trust('olga', mine, authenticator.code());
    for (const path of [PATHS.OAuth, PATHS['the link'], PATHS.OAuth])
      expect(await isTrusted('olga', mine, path)).toBe(true);
  });

  it('lists the browsers, revokes another one, and forgets this one', async () => {
    const { authenticator } = await newUser('lena');
    const [mine, other] = [browserOf(), browserOf()];
    await trust('lena', mine, authenticator.code());
    await trust('lena', other, authenticator.code());
    const listed = await pages.listDevices(mine.send);
    expect(listed.map(({ current }) => current).toSorted()).toEqual([false, true]);
    const left = await pages.revoke(mine.send, listed.find(({ current }) => !current)!.id);
    expect(left).toEqual([expect.objectContaining({ current: true })]);
    expect([await isTrusted('lena', mine), await isTrusted('lena', other)]).toEqual([true, false]);
    mails.splice(0);
    await pages.forgetThisBrowser(mine.send);
    expect(await isTrusted('lena', mine)).toBe(false);
    expect(mails).toEqual([]);
  });

  it('sends messages about a copied cookie and about what the support did', async () => {
    const { authenticator } = await newUser('vera');
    const mine = browserOf();
    await trust('vera', mine, authenticator.code());
    const stolen = browserOf();
    for (const [name, value] of mine.browser.copy().cookies) stolen.browser.cookies.set(name, value);
    expect([await isTrusted('vera', mine), await isTrusted('vera', mine)]).toEqual([true, true]);
    mails.splice(0);
    expect(await isTrusted('vera', stolen)).toBe(false);
    expect(await isTrusted('vera', mine)).toBe(false);
    expect(mails).toEqual([
      expect.stringMatching(
        /^A trusted device presented an old key on .* UTC: Firefox\. .*Somebody who copied the key/,
      ),
    ]);
    await trust('vera', mine, authenticator.code());
    mails.splice(0);
    const admin = host.app.get(MfaAdminService, { strict: false });
    await admin.revokeDevices('vera', { actor: { userId: 'agent' } });
    expect(mails).toEqual([expect.stringMatching(/^Our support ended the trust/)]);
  });

  it('gives the events of a login an address and a user agent', async () => {
    const { authenticator } = await newUser('emma');
    const mine = browserOf();
    await trust('emma', mine, authenticator.code());
    expect(await isTrusted('emma', mine)).toBe(true);
    for (const type of ['mfa.challenge.issued', 'mfa.device.trusted', 'mfa.device.used']) {
      const event = host.state.events.findLast((each) => each.type === type);
      expect(event, type).toMatchObject({ userId: 'emma', ip: expect.stringContaining('127.0.0.1') as string });
      expect(event, type).toMatchObject({ userAgent: 'Firefox' });
    }
  });

  it('names a device without a user agent in its messages', () => {
    const device = { id: '1', label: '', createdAt: new Date(0) };
    const event = { userId: 'ann', at: new Date(0), actor: { type: 'user' }, device } as const;
    for (const type of ['mfa.device.trusted', 'mfa.device.reused'] as const)
      expect(guide.deviceMessage({ ...event, type })).toContain('1970-01-01 00:00 UTC: a device without a name.');
  });

  it('has requests to try it by hand', async () => {
    const { authenticator } = await newUser('ann@acme.example');
    const its = browserOf();
    const lines = read('docs/guides/trusted-devices.md').matchAll(/^curl .*localhost:3000(\S+) -d '(.*)'$/gm);
    const requests = [...lines].map(([, path = '', body = '']) => ({ path, body: JSON.parse(body) as object }));
    const responses: { mfa_token?: string }[] = [];
    for (const { path, body } of requests) {
      const real = path === '/mfa/verify' && { mfa_token: responses[0]!.mfa_token, code: authenticator.code() };
      responses.push(await its.send('POST', path, { ...body, ...real }));
    }
    expect(requests.map(({ path }) => path)).toEqual(['/login/password', '/mfa/verify', '/login/password']);
    const signedIn = { signedIn: true };
    expect(responses).toEqual([expect.objectContaining({ mfaRequired: true }), signedIn, signedIn]);
  });
});

describe('the policy of the guide', () => {
  it('switches trusted devices off for administrators only', async () => {
    const policy = join(example.folder, 'src/guides/devices/device-policy.ts');
    const { devicePolicyOf } = (await import(policy)) as { devicePolicyOf(user: object): object };
    expect(devicePolicyOf({ role: 'admin' })).toMatchObject({ trustedDevices: false, required: true });
    expect(devicePolicyOf({ role: 'member' })).toMatchObject({ trustedDevices: true, required: false });
  });
});
