import argon2 from 'argon2';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaBackupCodeService, TotpService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, providerNamed, startHostApp, type HostApp } from '../support/host-app.js';

describe('backup codes', () => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `keeping-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ options: { attempts: { maxFailures: 1000, dailyBurst: 1000, disableAfter: 1000 } } });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  const remaining = async (user: Client) => (await user.get('/mfa/status')).body.backupCodes;

  it('S35 are ten different codes XXXX-XXXX of unambiguous letters and digits, each with a letter', async () => {
    const { backupCodes } = await newUser().enroll();
    expect(new Set(backupCodes).size).toBe(10);
    for (const code of backupCodes) {
      expect(code).toMatch(/^[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}$/);
      expect(code).toMatch(/[A-Z]/);
    }
  });

  it('S36 are stored as sealed values only, ten of them under one set', async () => {
    const user = newUser();
    await user.enroll();
    const rows = await host.dataSource.query(`SELECT * FROM mfa_backup_code WHERE user_id = '${user.userId}'`);
    expect(rows).toHaveLength(10);
    for (const { hash, used_at } of rows) {
      expect(hash).toMatch(/^v1\.k1\.[\w-]+\.[\w-]+\.[\w-]+$/);
      expect(used_at).toBeNull();
    }
  });

  it('S32 S27 are accepted once, and their use is recorded', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    await user.signIn(backupCodes[3]!);
    await user.verify(await user.login(), backupCodes[3]).expect(401, /MFA_CODE_REJECTED/);
    await user.post('/mfa/disable', { code: backupCodes[3] }).expect(401, /MFA_CODE_REJECTED/);
    const used = await host.dataSource.query(
      `SELECT used_at FROM mfa_backup_code WHERE user_id = '${user.userId}' AND used_at IS NOT NULL`,
    );
    expect(used).toEqual([{ used_at: host.clock.nowMs() }]);
    expect(await remaining(user)).toEqual({ remaining: 9, low: false });
  });

  it('S38 of one user fail for another', async () => {
    const [alice, bob] = [newUser(), newUser()];
    const { backupCodes } = await alice.enroll();
    await bob.enroll();
    await bob.verify(await bob.login(), backupCodes[0]).expect(401, /MFA_CODE_REJECTED/);
    await alice.signIn(backupCodes[0]!);
  });

  it('S38 S25 are accepted in any case and spacing, and each spelling is the same code', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    const spellings: ((code: string) => string)[] = [
      (code) => code.toLowerCase(),
      (code) => code.replace('-', ''),
      (code) => ` ${code.replace('-', ' - ')} `,
      (code) => [...code.toLowerCase()].join(' '),
    ];
    for (const [index, spell] of spellings.entries()) {
      const code = backupCodes[index]!;
      await user.signIn(spell(code));
      for (const again of spellings) await user.verify(await user.login(), again(code)).expect(401);
    }
    expect((await remaining(user)).remaining).toBe(6);
  });

  it('S39 are never shown again, and the response reports when few are left', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    const status = await user.get('/mfa/status').expect(200);
    for (const code of backupCodes) expect(status.text).not.toContain(code);
    for (const code of backupCodes.slice(0, 6)) await user.signIn(code);
    expect(await remaining(user)).toEqual({ remaining: 4, low: false });
    await user.signIn(backupCodes[6]!);
    expect(await remaining(user)).toEqual({ remaining: 3, low: true });
    expect(host.state.completedLogins.at(-1)).toMatchObject({ backupCodesRemaining: 3 });
    const service = host.app.get(MfaBackupCodeService, { strict: false });
    expect(await service.remaining(user.userId)).toEqual({ remaining: 3, low: true });
  });

  describe('S37 cost one Argon2 for each guess', () => {
    async function guess(user: Client, code: string): Promise<{ status: number; hashes: number }> {
      const token = await user.login();
      const hash = vi.spyOn(argon2, 'hash');
      const { status } = await user.verify(token, code);
      const hashes = hash.mock.calls.length;
      vi.restoreAllMocks();
      return { status, hashes };
    }

    it('whether the code is right, used or wrong, and when no code is left', async () => {
      const user = newUser();
      const { backupCodes } = await user.enroll();
      expect(await guess(user, 'AAAA-AAAA')).toEqual({ status: 401, hashes: 1 });
      for (const code of backupCodes) {
        expect(await guess(user, code)).toEqual({ status: 200, hashes: 1 });
        expect(await guess(user, code)).toEqual({ status: 401, hashes: 1 });
      }
      expect(await guess(user, 'AAAA-AAAA')).toEqual({ status: 401, hashes: 1 });
    });

    it('also where no set exists, or none of its codes can be read', async () => {
      const user = newUser();
      const { backupCodes } = await user.enroll();
      await host.dataSource.query(`UPDATE mfa_backup_code SET hash = 'gone' WHERE user_id = '${user.userId}'`);
      expect(await guess(user, backupCodes[0]!)).toEqual({ status: 401, hashes: 1 });
      await host.dataSource.query(`UPDATE mfa_account SET backup_set_id = NULL WHERE user_id = '${user.userId}'`);
      expect(await guess(user, backupCodes[0]!)).toEqual({ status: 401, hashes: 1 });
    });

    it('but none for a TOTP code', async () => {
      const user = newUser();
      const { authenticator } = await user.enroll();
      expect(await guess(user, authenticator.code())).toEqual({ status: 200, hashes: 0 });
    });
  });

  describe('regenerating', () => {
    const regenerate = (user: Client, body: object) => user.post('/mfa/backup-codes/regenerate', body);

    it('S33 ends every code of the old set at once, and the new set works', async () => {
      const user = newUser();
      const { authenticator, backupCodes } = await user.enroll();
      await user.signIn(backupCodes[0]!);
      const { body } = await regenerate(user, { code: authenticator.code() }).expect(200);
      expect(body).toEqual({ backupCodes: expect.any(Array) });
      expect(body.backupCodes).toHaveLength(10);
      for (const code of backupCodes) await user.verify(await user.login(), code).expect(401, /MFA_CODE_REJECTED/);
      await user.signIn(body.backupCodes[9]);
      expect(await remaining(user)).toEqual({ remaining: 9, low: false });
      const sets = await host.dataSource.query(
        `SELECT DISTINCT set_id FROM mfa_backup_code WHERE user_id = '${user.userId}'`,
      );
      expect(sets).toHaveLength(1);
      expect(host.state.revocations).toContain(`mfa.backup_codes.regenerated ${user.userId}`);
    });

    it('accepts a backup code of the old set as proof', async () => {
      const user = newUser();
      const { backupCodes } = await user.enroll();
      const { body } = await regenerate(user, { code: backupCodes[0] }).expect(200);
      expect(body.backupCodes).not.toContain(backupCodes[0]);
    });

    it('S12 requires proof, and changes nothing without one', async () => {
      const user = newUser();
      const { backupCodes } = await user.enroll();
      await regenerate(user, {}).expect(401, /MFA_PROOF_REQUIRED/);
      await regenerate(user, { password: 'correct horse battery staple' }).expect(401, /MFA_PROOF_REQUIRED/);
      await regenerate(user, { code: '000000' }).expect(401, /MFA_CODE_REJECTED/);
      await user.signIn(backupCodes[0]!);
    });

    it('is refused where MFA is not enabled', async () => {
      await regenerate(newUser(), { code: '000000' }).expect(409, /MFA_NOT_ENABLED/);
    });

    it.each(['collectAfter', 'remove'])('that fails at %s leaves exactly one set that works', async (method) => {
      const user = newUser();
      const { authenticator, backupCodes } = await user.enroll();
      const store = providerNamed<Record<string, () => Promise<void>>>(host, 'MfaBackupCodeStore');
      vi.spyOn(store, method).mockRejectedValueOnce(new Error('no database'));
      // The codes are marked for collection before the change is committed, and removed after it.
      const [status, works] = method === 'collectAfter' ? [500, 200] : [200, 401];
      await regenerate(user, { code: authenticator.code() }).expect(status);
      vi.restoreAllMocks();
      await user.verify(await user.login(), backupCodes[0]).expect(works);
      const again = await regenerate(user, { code: authenticator.code(1) }).expect(200);
      await user.signIn(again.body.backupCodes[0]);
    });
  });

  it('are bound to their own rows: swapped ciphertexts match nothing', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    const rows = await host.dataSource.query(`SELECT id, hash FROM mfa_backup_code WHERE user_id = '${user.userId}'`);
    for (const [index, { id }] of rows.entries()) {
      const { hash } = rows[(index + 1) % rows.length];
      await host.dataSource.query('UPDATE mfa_backup_code SET hash = ? WHERE id = ?', [hash, id]);
    }
    for (const code of backupCodes.slice(0, 3)) await user.verify(await user.login(), code).expect(401);
  });

  it('are as many as the option says', async () => {
    const other = await startHostApp({ options: { backupCodes: { count: 5, lowAt: 5 } } });
    const user = new Client(other, 'counting');
    expect((await user.enroll()).backupCodes).toHaveLength(5);
    expect(await remaining(user)).toEqual({ remaining: 5, low: true });
    expect(other.app.get(TotpService, { strict: false }).generateBackupCodes()).toHaveLength(5);
    await other.close();
  });

  it('S35 have 13 symbols by option, next to a set of 8 symbols that stays valid', async () => {
    const before = await startHostApp({ options: FEW_CODES });
    const owner = new Client(before, 'long');
    const { authenticator, backupCodes } = await owner.enroll();
    const options = { backupCodes: { ...FEW_CODES.backupCodes, length: 13 as const } };
    const after = await startHostApp({ options, on: before.database });
    // The clock of the first application is one step ahead after the enrollment.
    after.clock.advance(30);
    const user = new Client(after, 'long');
    await user.verify(await user.login(), backupCodes[0]).expect(200);
    const code = authenticator.code(0);
    const { body } = await user.post('/mfa/backup-codes/regenerate', { code }).expect(200);
    for (const each of body.backupCodes) expect(each).toMatch(/^[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{5}$/);
    await user.verify(await user.login(), body.backupCodes[0].toLowerCase()).expect(200);
    await user.verify(await user.login(), backupCodes[1]).expect(401);
    await after.close();
    await before.close();
  });
});
