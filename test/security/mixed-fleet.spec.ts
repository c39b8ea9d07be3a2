import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

describe.each(testDatabases)(
  'a fleet in which one instance has no option passkeys, or an old version, on %s',
  (database) => {
    let host: HostApp;
    let bare: HostApp;
    beforeAll(async () => {
      host = await startHostApp({ database, options: { ...FEW_CODES, ...PASSKEYS } });
      bare = await startHostApp({
        on: host.database,
        options: { ...FEW_CODES, enrollment: { disableWithPassword: true } },
      });
    });
    afterAll(async () => {
      await bare.close();
      await host.close();
    });

    it('S84 an instance without the option accepts no TOTP code for a change of a user who has a passkey', async () => {
      const owner = new PasskeyClient(host, 'm1');
      const { authenticator } = await owner.enroll();
      await owner.addPasskey(newKey(), { code: authenticator.code() });
      host.clock.advance(30);
      bare.clock.advance(30);
      bare.clock.advance(30);
      const thief = new PasskeyClient(bare, 'm1');
      const answer = await thief.post('/mfa/backup-codes/regenerate', { code: authenticator.code() });
      expect(answer.status).toBe(401);
    });

    it('S84 an instance without the option accepts no password for disabling of a user who has a passkey', async () => {
      const owner = new PasskeyClient(host, 'm2');
      await owner.addPasskey(newKey());
      const answer = await new PasskeyClient(bare, 'm2').post('/mfa/disable', { password: PASSWORD });
      expect(answer.status).toBe(401);
    });

    it('S27 S104 an account that the version before recovery codes opened works in every step', async () => {
      const budgets = ['totp', 'backup_code', 'password', 'confirmation', 'other'].flatMap((factor) =>
        ['failures', 'locked_until', 'daily_tat'].map((column) => `${factor}_${column}`),
      );
      const now = host.clock.nowMs();
      await host.dataSource.query(
        `INSERT INTO mfa_account (user_id, security_stamp, row_version, active_ids, ${budgets.join(', ')})
         VALUES ('m4', ${now}, ${now}, '', ${budgets.map(() => '0').join(', ')})`,
      );
      const user = new PasskeyClient(host, 'm4');
      const { authenticator } = await user.enroll();
      host.clock.advance(30);
      await user.verify(await user.login(), '000000').expect(401);
      const login = await user.login();
      await user.verify(login, authenticator.code()).expect(200);
      await user.verify(login, authenticator.code()).expect(401);
      const [row] = await host.dataSource.query("SELECT * FROM mfa_account WHERE user_id = 'm4'");
      expect(row).toMatchObject({ must_enroll_since: null, recovery_hash: null, recovery_expires_at: null });
      expect([row.totp_failures, row.recovery_code_failures].map(Number)).toEqual([0, 0]);
    });

    it('S81 a key whose account an old version switched off can be registered again', async () => {
      const owner = new PasskeyClient(host, 'm3');
      const key = newKey();
      const first = await owner.setupPasskey().expect(200);
      const registered = key.create(first.body.options);
      await owner.confirmPasskey(registered).expect(200);
      // What the version before passkeys does at disable, remove and reset: it knows no table mfa_passkey.
      await host.dataSource.query(
        `UPDATE mfa_account SET security_stamp = security_stamp + 1, row_version = row_version + 1, active_ids = '',
         pending_id = NULL, backup_set_id = NULL WHERE user_id = 'm3'`,
      );
      host.clock.advance(24 * 60 * 60);
      const setup = await owner.setupPasskey().expect(200);
      const { status } = await owner.confirmPasskey(key.create(setup.body.options, { credentialId: registered.id }));
      expect(status).toBe(200);
    });
  },
);
