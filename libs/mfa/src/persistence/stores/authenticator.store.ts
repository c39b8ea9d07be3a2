import type { DataSource } from 'typeorm';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { type ExpiredAuthenticator, MfaAuthenticatorStore } from '../../domain/authenticators/authenticator.store.js';
import { MfaAuthenticatorEntity } from '../entities/index.js';
import { join, sql } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';

type ConfirmedAuthenticator = Parameters<MfaAuthenticatorStore['confirm']>[0];

/** {@link MfaAuthenticatorStore} on TypeORM. */
export class TypeOrmAuthenticatorStore extends MfaAuthenticatorStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async add(authenticator: Authenticator): Promise<void> {
    const { id, userId, name, secret, algorithm, digits, periodSeconds } = authenticator;
    const { createdAtMs, confirmedAtMs, lastUsedAtMs, expiresAtMs, setupBinding } = authenticator;
    await this.statements.run(sql`
      INSERT INTO ${MfaAuthenticatorEntity} (id, user_id, name, secret, algorithm, digits, period_seconds,
        created_at, confirmed_at, last_used_at, expires_at, setup_binding)
      VALUES (${id}, ${userId}, ${name}, ${secret}, ${algorithm}, ${digits}, ${periodSeconds},
        ${createdAtMs}, ${confirmedAtMs}, ${lastUsedAtMs}, ${expiresAtMs}, ${setupBinding})`);
  }

  override async rename(userId: string, id: string, name: string): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAuthenticatorEntity} SET name = ${name} WHERE user_id = ${userId} AND id = ${id}`);
  }

  override async confirm({ userId, id, expiresAtMs }: ConfirmedAuthenticator, atMs: number): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAuthenticatorEntity} SET confirmed_at = ${atMs}, expires_at = NULL
      WHERE user_id = ${userId} AND id = ${id} AND expires_at = ${expiresAtMs}`);
  }

  override async touch(userId: string, id: string, atMs: number): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAuthenticatorEntity} SET last_used_at = ${atMs}
      WHERE user_id = ${userId} AND id = ${id} AND (last_used_at IS NULL OR last_used_at < ${atMs})`);
  }

  override async collectAfter(userId: string, ids: readonly string[], expiresAtMs: number | null): Promise<void> {
    if (ids.length === 0) return;
    await this.statements.run(sql`
      UPDATE ${MfaAuthenticatorEntity} SET expires_at = ${expiresAtMs}
      WHERE user_id = ${userId} AND id IN (${join(ids)})`);
  }

  override async remove(userId: string, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.statements.run(sql`
      DELETE FROM ${MfaAuthenticatorEntity} WHERE user_id = ${userId} AND id IN (${join(ids)})`);
  }

  override async removeExpired(userId: string, id: string, beforeMs: number): Promise<void> {
    await this.statements.run(sql`
      DELETE FROM ${MfaAuthenticatorEntity}
      WHERE user_id = ${userId} AND id = ${id} AND expires_at <= ${beforeMs}`);
  }

  override async removeAll(userId: string): Promise<number> {
    const { affected } = await this.statements.run(sql`
      DELETE FROM ${MfaAuthenticatorEntity} WHERE user_id = ${userId}`);
    return affected;
  }

  override async listExpired(beforeMs: number, limit: number): Promise<ExpiredAuthenticator[]> {
    const { records } = await this.statements.run(sql`
      SELECT id, user_id, expires_at FROM ${MfaAuthenticatorEntity}
      WHERE expires_at <= ${beforeMs} ORDER BY expires_at LIMIT ${limit}`);
    return records.map((row) => ({
      id: row.id as string,
      userId: row.user_id as string,
      expiresAtMs: Number(row.expires_at),
    }));
  }
}
