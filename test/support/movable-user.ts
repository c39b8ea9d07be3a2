import { randomUUID } from 'node:crypto';
import { MfaAdminService, type MfaAdminAction } from 'nestjs-mfa';
import type { VirtualAuthenticator, VirtualPasskey } from 'nestjs-mfa/testing';
import { expect } from 'vitest';
import { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import type { HostApp } from './host-app.js';
import { newKey, PasskeyClient } from './passkey-client.js';

const BY: MfaAdminAction = { actor: { userId: 'root' }, reason: 'merged accounts' };
const SEEN_AT = 1_700_000_000_000;

/** A user with every kind of factor, whose id changes. */
export class MovableUser {
  readonly old: PasskeyClient;
  readonly moved: PasskeyClient;
  readonly key: VirtualPasskey = newKey();
  private totp!: VirtualAuthenticator;
  private codes: string[] = [];
  /** The TOTP code that was accepted last. */
  private spentCode = '';

  private constructor(readonly host: HostApp) {
    const id = randomUUID().slice(0, 8);
    this.old = new PasskeyClient(host, `old-${id}`);
    this.moved = new PasskeyClient(host, `new-${id}`);
  }

  /** With an app and backup codes only: a quick start for tests that need no more. */
  static async createWithApp(host: HostApp): Promise<MovableUser> {
    const user = new MovableUser(host);
    const { authenticator, backupCodes } = await user.old.enroll();
    user.totp = authenticator;
    user.codes = backupCodes;
    return user;
  }

  /** With an app, a passkey, a used backup code, a failed attempt and a sighting under a policy. */
  static async create(host: HostApp): Promise<MovableUser> {
    const user = await MovableUser.createWithApp(host);
    const { totp: authenticator, codes: backupCodes } = user;
    await user.old.addPasskey(user.key, { code: authenticator.code() });
    host.clock.advance(30);
    await user.old.verify(await user.old.login(), backupCodes[0]).expect(200);
    await user.old.verify(await user.old.login(), '000000').expect(401);
    await host.app.get(MfaPolicySeenStore, { strict: false }).record(user.old.userId, 'staff', SEEN_AT);
    return user;
  }

  move(): Promise<void> {
    return this.admin().moveUser(this.old.userId, this.moved.userId, BY);
  }

  admin(): MfaAdminService {
    return this.host.app.get(MfaAdminService, { strict: false });
  }

  async isRequired(client: PasskeyClient): Promise<boolean> {
    const { body } = await client.loginAnswer().expect(201);
    return body.mfaRequired === true;
  }

  /** Signs in with a code of the app. Returns the status of the response. */
  async useApp(client: PasskeyClient): Promise<number> {
    this.host.clock.advance(30);
    const code = this.totp.code();
    const { status } = await client.verify(await client.login(), code);
    if (status === 200) this.spentCode = code;
    return status;
  }

  /** A code of the app that was not used. */
  code(): string {
    this.host.clock.advance(30);
    return this.totp.code();
  }

  /** A backup code, as the proof of a change. The one at 0 is used. */
  backupCode(at: number): { code: string } {
    return { code: this.codes[at]! };
  }

  /** Whether the old id verifies nothing any more. */
  async isTombstone(): Promise<boolean> {
    return String((await this.row(this.old.userId))?.active_ids).startsWith('moved-to:');
  }

  /** Sends a backup code that was not used. */
  async useBackupCode(client: PasskeyClient, at = 1): Promise<number> {
    return (await client.verify(await client.login(), this.codes[at])).status;
  }

  row(userId: string): Promise<Record<string, unknown> | undefined> {
    return this.host.dataSource
      .query(`SELECT * FROM mfa_account WHERE user_id = '${userId}'`)
      .then(([row]: Record<string, unknown>[]) => row);
  }

  /** Everything works under the new id, nothing is accepted twice, and nothing verifies under the old one. */
  async expectMoved({ usedMeanwhile = [] as number[] } = {}): Promise<void> {
    const { old, moved, codes } = this;
    const admin = this.admin();
    const row = await this.row(moved.userId);
    expect(row).toMatchObject({ moved_from: null, backup_codes_left: codes.length - 1 - usedMeanwhile.length });
    expect(await admin.exportUser(moved.userId)).toMatchObject({
      enabled: true,
      authenticators: [{ state: 'active' }],
      passkeys: [{ state: 'active' }],
      policies: [{ policyId: 'staff', firstSeenAt: new Date(SEEN_AT) }],
      recoveryCode: null,
    });
    if (this.spentCode) await moved.verify(await moved.login(), this.spentCode).expect(401);
    for (const used of [0, ...usedMeanwhile]) expect(await this.useBackupCode(moved, used)).toBe(401);
    expect((await this.expectNothingVerifies()) && (await this.isRequired(moved))).toBe(true);
    expect(await this.useApp(moved)).toBe(200);
    await moved.verify(await moved.login(), this.spentCode).expect(401);
    expect((await moved.signInByPasskey(this.key)).status).toBe(200);
    const unused = [3, 2, 1].find((at) => !usedMeanwhile.includes(at))!;
    expect(await this.useBackupCode(moved, unused)).toBe(200);
    expect(await this.useBackupCode(moved, unused)).toBe(401);
    await admin.purgeUser(old.userId, BY);
    expect(await this.row(old.userId)).toBeUndefined();
    await this.expectFactors();
  }

  /** The quick part of {@link expectMoved}: the move is finished, the app works under the new id, and not under the old one. */
  async expectAppMoved(): Promise<void> {
    expect(await this.row(this.moved.userId)).toMatchObject({ moved_from: null });
    expect([await this.isRequired(this.old), await this.useApp(this.old)]).toEqual([true, 401]);
    expect(await this.useApp(this.moved)).toBe(200);
  }

  /** The app and the passkey work under the new id. */
  async expectFactors(): Promise<void> {
    expect(await this.useApp(this.moved)).toBe(200);
    expect((await this.moved.signInByPasskey(this.key)).status).toBe(200);
  }

  private async expectNothingVerifies(): Promise<boolean> {
    expect(await this.isRequired(this.old)).toBe(true);
    expect(await this.useApp(this.old)).toBe(401);
    expect(await this.useBackupCode(this.old, 3)).toBe(401);
    return true;
  }
}
