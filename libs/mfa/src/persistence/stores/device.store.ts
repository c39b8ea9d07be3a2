import type { DataSource } from 'typeorm';
import type { TrustedDevice } from '../../domain/devices/device.js';
import { type DeviceTrim, MfaDeviceStore } from '../../domain/devices/device.store.js';
import { MfaAccountEntity, MfaDeviceEntity } from '../entities/index.js';
import { raw, type Sql, sql } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import { LOCKING_ACCOUNT } from './account-sql.js';
import { DEVICE_COLUMNS } from './device-sql.js';
import { lastUse } from './last-use.js';
import { purging } from './purging.js';
import { rowsOf, toDevice } from './row-mappers.js';

/** As many rows as there are. MySQL and SQLite take no OFFSET without LIMIT. */
const ALL = raw('9223372036854775807');

/** {@link MfaDeviceStore} on TypeORM. */
export class TypeOrmDeviceStore extends MfaDeviceStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async find(userId: string, lookupHash: string): Promise<TrustedDevice | null> {
    const [device] = await this.read(userId, sql`AND d.lookup_hash = ${lookupHash}`);
    return device ?? null;
  }

  override async list(userId: string): Promise<TrustedDevice[]> {
    return this.read(userId, sql`ORDER BY d.last_used_at DESC, d.id`);
  }

  override async add(device: TrustedDevice): Promise<void> {
    await this.statements.run(insertion(device));
  }

  // S111, S112. A statement that waits names what goes: what is added or used meanwhile stays. The inner list is a derived
  // table, because MySQL neither reads the table that it deletes from nor takes LIMIT in IN.
  override async trim({ userId, ...device }: TrustedDevice, trim: DeviceTrim): Promise<void> {
    const remains = mayRemain(device, trim);
    // All rows are ranked alike, so that parallel calls agree on those that stay.
    await this.statements.run(sql`
      DELETE FROM ${MfaDeviceEntity} WHERE user_id = ${userId} AND (NOT (${remains}) OR (id = ${device.id}
        AND NOT EXISTS (${accountOf({ userId, securityStamp: device.securityStamp })})) OR (id, last_used_at) IN (
        SELECT gone.id, gone.last_used_at FROM (
          SELECT id, last_used_at FROM ${MfaDeviceEntity} WHERE user_id = ${userId} AND ${remains}
          ORDER BY last_used_at DESC, created_at DESC, id LIMIT ${ALL} OFFSET ${trim.max}) gone))`);
  }

  // S112: of parallel logins with one secret, one rotates it. `secret_hash` comes after `previous_hash`: MySQL evaluates SET
  // from left to right.
  override async rotate(device: TrustedDevice, nextHash: string, nowMs: number): Promise<boolean> {
    return this.writes(sql`
      UPDATE ${MfaDeviceEntity} SET previous_hash = secret_hash, secret_hash = ${nextHash}, rotated_at = ${nowMs},
        last_used_at = ${nowMs}
      WHERE ${this.isTrusted(device, nowMs)} AND secret_hash = ${device.secretHash}`);
  }

  override async noteUse(device: TrustedDevice, secretHash: string, nowMs: number): Promise<boolean> {
    return this.writes(sql`
      UPDATE ${MfaDeviceEntity} SET last_used_at = ${lastUse(nowMs, this.statements.dialect)}
      WHERE ${this.isTrusted(device, nowMs)} AND (secret_hash = ${secretHash} OR previous_hash = ${secretHash})`);
  }

  override async remove(userId: string, id: string): Promise<boolean> {
    return this.writes(sql`DELETE FROM ${MfaDeviceEntity} WHERE ${isRow({ userId, id })}`);
  }

  override async removeWith(device: TrustedDevice): Promise<boolean> {
    return this.writes(sql`
      DELETE FROM ${MfaDeviceEntity} WHERE ${isRow(device)} AND secret_hash = ${device.secretHash}`);
  }

  override async removeAll(userId: string): Promise<number> {
    return this.affected(sql`DELETE FROM ${MfaDeviceEntity} WHERE user_id = ${userId}`);
  }

  override async purge(beforeMs: number, limit: number): Promise<number> {
    return this.affected(purging(MfaDeviceEntity, beforeMs, limit, this.statements.dialect));
  }

  /** The devices of exactly this user. */
  // S113
  private async read(userId: string, further: Sql): Promise<TrustedDevice[]> {
    const { records } = await this.statements.run(sql`
      SELECT d.user_id, ${DEVICE_COLUMNS} FROM ${MfaDeviceEntity} d WHERE d.user_id = ${userId} ${further}`);
    return rowsOf(userId, records).map(toDevice);
  }

  /** Whether the row is this device, not expired, and the account still has its security stamp. */
  // S111
  private isTrusted({ id, userId, securityStamp }: TrustedDevice, nowMs: number): Sql {
    return sql`${isRow({ id, userId })} AND expires_at > ${nowMs} AND EXISTS (
      ${accountOf({ userId, securityStamp })} ${LOCKING_ACCOUNT[this.statements.dialect.family]})`;
  }

  /** Whether the statement wrote exactly one row. */
  private async writes(statement: Sql): Promise<boolean> {
    return (await this.affected(statement)) === 1;
  }

  private async affected(statement: Sql): Promise<number> {
    return (await this.statements.run(statement)).affected;
  }
}

/** The account, if it has this security stamp. */
function accountOf({ userId, securityStamp }: Pick<TrustedDevice, 'userId' | 'securityStamp'>): Sql {
  return sql`SELECT 1 FROM ${MfaAccountEntity} a WHERE a.user_id = ${userId} AND a.security_stamp = ${securityStamp}`;
}

function isRow({ id, userId }: Pick<TrustedDevice, 'id' | 'userId'>): Sql {
  return sql`id = ${id} AND user_id = ${userId}`;
}

/** Whether another device of the user is neither replaced nor dead by what the new device was trusted under. */
function mayRemain(
  { securityStamp, keyId, credentialVersion }: Omit<TrustedDevice, 'userId'>,
  { replacedLookupHash, nowMs }: DeviceTrim,
): Sql {
  const notReplaced = replacedLookupHash === undefined ? sql`` : sql`AND lookup_hash <> ${replacedLookupHash}`;
  return sql`expires_at > ${nowMs} AND security_stamp >= ${securityStamp}
    AND (key_id <> ${keyId} OR credential_version = ${credentialVersion}) ${notReplaced}`;
}

function insertion(device: TrustedDevice): Sql {
  const { id, userId, kind, lookupHash, secretHash, previousHash, rotatedAtMs, keyId, securityStamp } = device;
  const { credentialVersion, method, label, createdAtMs, lastUsedAtMs, expiresAtMs, mfaAtMs } = device;
  return sql`
    INSERT INTO ${MfaDeviceEntity} (id, user_id, kind, lookup_hash, secret_hash, previous_hash, rotated_at, key_id,
      security_stamp, credential_version, method, label, created_at, last_used_at, expires_at, mfa_at)
    VALUES (${id}, ${userId}, ${kind}, ${lookupHash}, ${secretHash}, ${previousHash}, ${rotatedAtMs}, ${keyId},
      ${securityStamp}, ${credentialVersion}, ${method}, ${label}, ${createdAtMs}, ${lastUsedAtMs}, ${expiresAtMs},
      ${mfaAtMs})`;
}
