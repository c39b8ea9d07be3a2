import { raw, type Sql, sql, type SqlDialect } from '../statements/sql.js';
import { lastUse } from './last-use.js';

/** The columns of a passkey `t`, without its user. */
export const PASSKEY_COLUMNS = raw(`t.id, t.credential_id, t.credential_hash, t.public_key, t.counter, t.transports,
    t.backup_eligible, t.backed_up, t.user_verified, t.aaguid, t.name, t.created_at, t.last_used_at, t.expires_at`);

/** What a use writes. Flags are 0 or 1. */
export type PasskeyUseParams = Record<'counter' | 'backedUp' | 'userVerified' | 'nowMs', number | Sql>;

/** Assignments that store a use. A user who was verified once stays so, and the last use never goes back. */
export function passkeyUse({ counter, backedUp, userVerified, nowMs }: PasskeyUseParams, dialect: SqlDialect): Sql {
  return sql`counter = ${counter}, backed_up = ${backedUp},
    user_verified = CASE WHEN ${userVerified} = 1 THEN 1 ELSE user_verified END,
    last_used_at = ${lastUse(nowMs, dialect)}`;
}
