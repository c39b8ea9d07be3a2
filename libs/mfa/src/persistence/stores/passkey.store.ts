import type { Passkey } from '../../domain/passkeys/passkey.js';
import type { MfaPasskeyStore, PasskeyUse } from '../../domain/passkeys/passkey.store.js';
import { MfaPasskeyEntity } from '../entities/index.js';
import { isUniqueViolation } from '../statements/database-errors.js';
import { type Sql, sql } from '../statements/sql.js';
import { TypeOrmCredentialRows } from './credential-rows.js';
import { PASSKEY_COLUMNS, passkeyUse } from './passkey-sql.js';
import { rowsOf, toPasskey } from './row-mappers.js';

/** {@link MfaPasskeyStore} on TypeORM. */
export class TypeOrmPasskeyStore extends TypeOrmCredentialRows implements MfaPasskeyStore {
  protected readonly table = MfaPasskeyEntity;

  async add(passkey: Passkey): Promise<boolean> {
    try {
      const { affected } = await this.statements.run(insertion(passkey));
      return affected === 1;
    } catch (error) {
      if (isUniqueViolation(error)) return false;
      throw error;
    }
  }

  async findByHash(credentialHash: string): Promise<Passkey | null> {
    const { records } = await this.statements.run(selection(sql`t.credential_hash = ${credentialHash}`));
    const [row] = records;
    return row ? toPasskey(row, row.user_id as string) : null;
  }

  async list(userId: string): Promise<Passkey[]> {
    const { records } = await this.statements.run(selection(sql`t.user_id = ${userId}`));
    return rowsOf(userId, records).map((row) => toPasskey(row, userId));
  }

  async recordUse({ userId, id, counter, backedUp, userVerified, nowMs }: PasskeyUse): Promise<boolean> {
    const use = { counter: counter.to, backedUp: Number(backedUp), userVerified: Number(userVerified), nowMs };
    const { affected } = await this.statements.run(sql`
      UPDATE ${MfaPasskeyEntity} SET ${passkeyUse(use, this.statements.dialect)}
      WHERE user_id = ${userId} AND id = ${id} ${counter.from === null ? sql`` : sql`AND counter = ${counter.from}`}`);
    return affected === 1;
  }
}

function selection(where: Sql): Sql {
  return sql`
    SELECT t.user_id, ${PASSKEY_COLUMNS} FROM ${MfaPasskeyEntity} t WHERE ${where} ORDER BY t.created_at, t.id`;
}

function insertion(passkey: Passkey): Sql {
  const { id, userId, credentialId, credentialHash, publicKey, counter, transports, aaguid, name } = passkey;
  const { backupEligible, backedUp, userVerified, createdAtMs, lastUsedAtMs, expiresAtMs } = passkey;
  return sql`
    INSERT INTO ${MfaPasskeyEntity} (id, user_id, credential_id, credential_hash, public_key, counter, transports,
      backup_eligible, backed_up, user_verified, aaguid, name, created_at, last_used_at, expires_at)
    VALUES (${id}, ${userId}, ${credentialId}, ${credentialHash}, ${publicKey}, ${counter}, ${transports.join(',')},
      ${Number(backupEligible)}, ${Number(backedUp)}, ${Number(userVerified)}, ${aaguid}, ${name},
      ${createdAtMs}, ${lastUsedAtMs}, ${expiresAtMs})`;
}
