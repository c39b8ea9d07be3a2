import { BY_TEST } from '../support/reset.js';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService, TotpService } from 'nestjs-mfa';
import { passkey } from '../persistence/rows.js';
import { Client } from '../support/client.js';
import { dumpTables, FEW_CODES, providerNamed, startHostApp, type HostApp } from '../support/host-app.js';

/** The store of policy sightings, as far as a test needs it. */
interface PolicySightings {
  record(userId: string, policyId: string, nowMs: number): Promise<number>;
}

/** The store of passkeys, as far as a test needs it. */
interface PasskeyRows {
  add(row: ReturnType<typeof passkey>): Promise<boolean>;
}

describe('exportUser', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES });
  });
  afterAll(() => host.close());

  const exportUser = (userId: string) => host.app.get(MfaAdminService, { strict: false }).exportUser(userId);

  it('returns everything that is stored about the user', async () => {
    const user = new Client(host, 'ada');
    const startedAt = new Date(host.clock.nowMs());
    const { authenticator, backupCodes, id } = await user.enroll();
    await user.post('/mfa/totp/setup', { code: authenticator.code(), name: 'Tablet' }).expect(200);
    await user.verify(await user.login(), backupCodes[0]).expect(200);
    await user.verify(await user.login(), '000000').expect(401);
    const at = new Date(host.clock.nowMs());

    const { authenticators, ...rest } = await exportUser('ada');
    const totp = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 };
    expect(authenticators).toEqual(
      expect.arrayContaining([
        {
          ...totp,
          id,
          name: expect.any(String),
          state: 'active',
          createdAt: startedAt,
          confirmedAt: startedAt,
          lastUsedAt: expect.any(Date),
        },
        {
          ...totp,
          id: expect.any(String),
          name: 'Tablet',
          state: 'pending',
          createdAt: at,
          confirmedAt: null,
          lastUsedAt: null,
        },
      ]),
    );
    expect(authenticators).toHaveLength(2);
    expect(rest).toEqual({
      userId: 'ada',
      enabled: true,
      passkeys: [],
      userHandle: null,
      backupCodes: { remaining: 3, usedAt: [at] },
      attempts: [{ factor: 'totp', failures: 1, lockedUntil: null }],
      ...{ policies: [], devices: [], events: [], mustEnrollSince: null, recoveryCode: null },
      uses: expect.arrayContaining([
        { kind: 'totp', at: startedAt, rememberedUntil: expect.any(Date) },
        { kind: 'backup_code', at, rememberedUntil: null },
        { kind: 'token', at, rememberedUntil: expect.any(Date) },
      ]),
    });
    expect(rest.uses).toHaveLength(4);
  });

  it('returns the public data of passkeys, and neither keys, hashes nor counters', async () => {
    const { id } = await new Client(host, 'barbara').enroll();
    const [active, removed] = [passkey('barbara', { lastUsedAtMs: 5 }), passkey('barbara', { expiresAtMs: 9 })];
    for (const row of [active, removed, passkey('somebody else')]) {
      await providerNamed<PasskeyRows>(host, 'MfaPasskeyStore').add(row);
    }
    await host.dataSource.query(
      `UPDATE mfa_account SET active_ids = 'totp:${id},passkey:${active.id}', user_handle = 'handle'
       WHERE user_id = 'barbara'`,
    );
    const { passkeys, userHandle } = await exportUser('barbara');
    const shown = (row: ReturnType<typeof passkey>) => ({
      ...{ id: row.id, name: row.name, credentialId: row.credentialId, transports: ['usb'], aaguid: row.aaguid },
      ...{ backupEligible: false, backedUp: false, userVerified: false, createdAt: new Date(row.createdAtMs) },
    });
    expect(userHandle).toBe('handle');
    expect(passkeys.toSorted((a, b) => (a.state < b.state ? -1 : 1))).toEqual([
      { ...shown(active), state: 'active', lastUsedAt: new Date(5) },
      { ...shown(removed), state: 'removed', lastUsedAt: null },
    ]);
  });

  it('returns policies, a required enrollment and the expiry of a recovery code, without its hash', async () => {
    await new Client(host, 'radia').enroll();
    const sightings = providerNamed<PolicySightings>(host, 'MfaPolicySeenStore');
    await sightings.record('radia', 'staff', 7);
    await sightings.record('radia', 'admins', 5);
    await sightings.record('somebody else', 'admins', 1);
    await host.dataSource.query(
      `UPDATE mfa_account SET must_enroll_since = 8, recovery_hash = 'secret-hash', recovery_expires_at = 9
       WHERE user_id = 'radia'`,
    );
    const exported = await exportUser('radia');
    expect(exported).toMatchObject({ mustEnrollSince: new Date(8), recoveryCode: { expiresAt: new Date(9) } });
    expect(exported.policies).toEqual([
      { policyId: 'admins', firstSeenAt: new Date(5) },
      { policyId: 'staff', firstSeenAt: new Date(7) },
    ]);
    expect(JSON.stringify(exported)).not.toContain('secret-hash');
  });

  it('runs seven statements', async () => {
    await new Client(host, 'barbara2').enroll();
    const sent = vi.spyOn(host.dataSource.logger, 'logQuery');
    await exportUser('barbara2');
    expect(sent).toHaveBeenCalledTimes(7);
    sent.mockRestore();
  });

  it('S64 contains no secret, hash, code or token', async () => {
    const user = new Client(host, 'grace');
    const { authenticator, backupCodes, id } = await user.enroll();
    const token = await user.login();
    await user.verify(token, authenticator.code()).expect(200);
    const text = JSON.stringify(await exportUser('grace'));
    const { mfa_authenticator, mfa_backup_code } = await dumpTables(host);
    const { secret: sealedSecret } = mfa_authenticator!.find((row) => (row as { id: string }).id === id) as {
      secret: string;
    };
    const secret = host.app
      .get(TotpService, { strict: false })
      .decryptSecret(sealedSecret, { userId: 'grace', authenticatorId: id });
    const stored = [...mfa_authenticator!, ...mfa_backup_code!].flatMap((row) => Object.values(row) as unknown[]);
    const sealed = stored.filter((value): value is string => typeof value === 'string' && value.startsWith('v1.'));
    expect(sealed.length).toBeGreaterThan(5);
    for (const value of [...sealed, ...backupCodes, secret, token, 'v1.', '$argon2']) {
      expect(text).not.toContain(value);
    }
  });

  it('returns nothing of other users, and an empty export for a user without MFA', async () => {
    await new Client(host, 'alan').enroll();
    expect(await exportUser('ALAN')).toEqual({ ...(await exportUser('nobody')), userId: 'ALAN' });
    expect(await exportUser('nobody')).toEqual({
      userId: 'nobody',
      enabled: false,
      authenticators: [],
      passkeys: [],
      userHandle: null,
      backupCodes: { remaining: 0, usedAt: [] },
      attempts: [],
      ...{ policies: [], devices: [], events: [], mustEnrollSince: null, recoveryCode: null },
      uses: [],
    });
  });

  it('is empty after purgeUser, which removes every row', async () => {
    await new Client(host, 'edsger').enroll();
    await providerNamed<PasskeyRows>(host, 'MfaPasskeyStore').add(passkey('edsger'));
    await providerNamed<PolicySightings>(host, 'MfaPolicySeenStore').record('edsger', 'staff', 5);
    await host.app.get(MfaAdminService, { strict: false }).purgeUser('edsger', BY_TEST);
    expect(await exportUser('edsger')).toEqual({ ...(await exportUser('nobody')), userId: 'edsger' });
    expect(JSON.stringify(await dumpTables(host))).not.toContain('edsger');
  });
});
