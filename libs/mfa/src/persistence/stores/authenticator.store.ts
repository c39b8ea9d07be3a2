import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import type { MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { MfaAuthenticatorEntity } from '../entities/index.js';
import { sql } from '../statements/sql.js';
import { TypeOrmCredentialRows } from './credential-rows.js';

type ConfirmedAuthenticator = Parameters<MfaAuthenticatorStore['confirm']>[0];

/** {@link MfaAuthenticatorStore} on TypeORM. */
export class TypeOrmAuthenticatorStore extends TypeOrmCredentialRows implements MfaAuthenticatorStore {
  protected readonly table = MfaAuthenticatorEntity;

  async add(authenticator: Authenticator): Promise<void> {
    const { id, userId, name, secret, algorithm, digits, periodSeconds } = authenticator;
    const { createdAtMs, confirmedAtMs, lastUsedAtMs, expiresAtMs, setupBinding } = authenticator;
    await this.statements.run(sql`
      INSERT INTO ${MfaAuthenticatorEntity} (id, user_id, name, secret, algorithm, digits, period_seconds,
        created_at, confirmed_at, last_used_at, expires_at, setup_binding)
      VALUES (${id}, ${userId}, ${name}, ${secret}, ${algorithm}, ${digits}, ${periodSeconds},
        ${createdAtMs}, ${confirmedAtMs}, ${lastUsedAtMs}, ${expiresAtMs}, ${setupBinding})`);
  }

  async confirm({ userId, id, expiresAtMs }: ConfirmedAuthenticator, atMs: number): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAuthenticatorEntity} SET confirmed_at = ${atMs}, expires_at = NULL
      WHERE user_id = ${userId} AND id = ${id} AND expires_at = ${expiresAtMs}`);
  }

  override async removeAll(userId: string): Promise<number> {
    await this.statements.run(sql`
      DELETE FROM ${MfaAuthenticatorEntity} WHERE user_id = ${userId} AND confirmed_at IS NULL`);
    return super.removeAll(userId);
  }

  async touch(userId: string, id: string, atMs: number): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAuthenticatorEntity} SET last_used_at = ${atMs}
      WHERE user_id = ${userId} AND id = ${id} AND (last_used_at IS NULL OR last_used_at < ${atMs})`);
  }
}
