import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaStatusService, type MfaPrincipal } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

/** A host some of whose users have no password: they sign in by a social login. */
class SocialHost extends TestHost {
  static proofs: Record<string, unknown> = {};
  override enrollmentProof({ userId }: MfaPrincipal): never {
    return SocialHost.proofs[userId] as never;
  }
}

describe('a host that chooses the proof of the first enrollment per user', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ host: SocialHost, options: { ...FEW_CODES, enrollment: { proof: 'session-only' } } });
  });
  afterAll(() => host.close());

  it('S12 lets a user without a password enroll by a recent sign-in, and names that proof in status and refusal', async () => {
    SocialHost.proofs.social = 'recent-sign-in';
    const user = new Client(host, 'social');
    expect((await user.get('/mfa/status').expect(200)).body.proof).toEqual(['recent-sign-in']);
    host.clock.advance(301);
    const refused = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(401);
    expect(refused.body).toMatchObject({ code: 'MFA_PROOF_REQUIRED', proof: ['recent-sign-in'] });
    await new Client(host, 'social').post('/mfa/totp/setup').expect(200);
  });

  it('S12 uses the option where the hook returns null, and requires no proof where the hook returns session-only', async () => {
    SocialHost.proofs.open = null;
    const user = new Client(host, 'open');
    expect((await user.get('/mfa/status')).body.proof).toEqual([]);
    await user.post('/mfa/totp/setup').expect(200);
  });

  it.each([undefined, 'sesion-only', '', true, 0])('S45 denies the setup where the hook returns %j', async (proof) => {
    SocialHost.proofs.broken = proof;
    const user = new Client(host, 'broken');
    const { status } = await user.post('/mfa/totp/setup', { password: PASSWORD });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(await host.dataSource.query("SELECT id FROM mfa_authenticator WHERE user_id = 'broken'")).toEqual([]);
  });
});

describe('the status of many users', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES });
  });
  afterAll(() => host.close());

  it('S42 has an entry for every requested user, and never mixes up spellings of an id', async () => {
    const statuses = host.app.get(MfaStatusService, { strict: false });
    const { id } = await new Client(host, 'user-7').enroll();
    await new Client(host, '42').post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const ids = [42, 'USER-7', ...Array.from({ length: 450 }, (_, index) => `user-${index}`)];
    const found = await statuses.statusOf([...ids, 'user-7']);
    expect([...found.keys()]).toEqual(ids.map(String));
    expect(found.get('user-7')).toEqual({
      enabled: true,
      methods: ['totp', 'backup_code'],
      authenticators: [{ id, type: 'totp', name: 'Authenticator app', createdAt: expect.any(Date), lastUsedAt: null }],
      backupCodes: { remaining: 4, low: false },
      pendingSetup: false,
    });
    expect(found.get('42')).toMatchObject({ enabled: false, pendingSetup: true });
    expect(found.get('USER-7')).toMatchObject({ enabled: false, authenticators: [] });
    await expect(statuses.statusOf(['ann', ''])).rejects.toThrow(TypeError);
  });

  it('S42 is read by one statement for each 200 users, each user once, and by none for an empty list', async () => {
    const statuses = host.app.get(MfaStatusService, { strict: false });
    // Each statement takes a runner of its own.
    const runners = vi.spyOn(host.dataSource, 'createQueryRunner');
    const ids = (count: number) => Array.from({ length: count }, (_, index) => `counted-${index}`);
    for (const [count, statements] of [
      [0, 0],
      [1, 1],
      [200, 1],
      [201, 2],
      [450, 3],
    ] as const) {
      runners.mockClear();
      await statuses.statusOf([...ids(count), ...ids(count)]);
      expect([count, runners.mock.calls.length]).toEqual([count, statements]);
    }
    runners.mockRestore();
  });

  it('S42 the status of one user with backup codes is one statement', async () => {
    const user = new Client(host, 'with-codes');
    await user.enroll();
    const runners = vi.spyOn(host.dataSource, 'createQueryRunner');
    const { body } = await user.get('/mfa/status').expect(200);
    expect([body.backupCodes, runners.mock.calls.length]).toEqual([{ remaining: 4, low: false }, 1]);
    runners.mockRestore();
  });
});
