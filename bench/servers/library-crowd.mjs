/** A great many users of the library at once, inside PostgreSQL. */
import { DataSource } from 'typeorm';
import { MfaBackupCodeEntity, TotpService } from 'nestjs-mfa';
import { cloneRows } from '../cluster/clone-rows.mjs';
import { crowdAuthenticatorId, crowdUserId } from './crowd-ids.mjs';
import { sampleRows, SAMPLE, toBase32 } from './library-users.mjs';

/** An id of `crowd-ids.mjs` in SQL. */
const sqlId = (kind) => `md5('${kind} ' || g.n)::uuid::text`;

/**
 * `count` enrolled users with `codes` backup codes each. Their secrets and codes are copies of a sample's, which open for
 * nobody, but those of the users in `active` are real.
 */
export async function addCrowd(app, { count, codes, active, secret }) {
  await sampleRows(app);
  const dataSource = app.get(DataSource);
  const runner = dataSource.createQueryRunner();
  const client = await runner.connect();
  const crowd = { where: `user_id = '${SAMPLE}'`, source: `generate_series(0, ${count - 1}) g(n)` };
  const [user_id, id, backup_set_id] = ['user', 'authenticator', 'set'].map(sqlId);
  await cloneRows(client, {
    ...crowd,
    table: 'mfa_account',
    overrides: { user_id, active_ids: `'totp:' || ${id}`, backup_set_id },
  });
  await cloneRows(client, { ...crowd, table: 'mfa_authenticator', overrides: { user_id, id } });
  for (let code = 0; code < codes; code++) {
    const overrides = { user_id, set_id: backup_set_id, id: sqlId(`code ${code}`) };
    await cloneRows(client, { ...crowd, table: 'mfa_backup_code', overrides });
  }
  await sealFor(client, app.get(TotpService), { active, base32: toBase32(Buffer.from(secret, 'hex')) });
  await runner.release();
  await dataSource.query('VACUUM ANALYZE');
  await dataSource.query('CHECKPOINT');
  return dataSource.getRepository(MfaBackupCodeEntity).count();
}

async function sealFor(client, totp, { active, base32 }) {
  const ids = active.map(crowdAuthenticatorId);
  const seal = (n, index) => totp.encryptSecret(base32, { userId: crowdUserId(n), authenticatorId: ids[index] });
  await client.query(
    `UPDATE mfa_authenticator t SET secret = s.secret FROM unnest($1::text[], $2::text[]) s(id, secret) WHERE t.id = s.id`,
    [ids, active.map(seal)],
  );
}

const SERIES = {
  postgres: (count) => `SELECT generate_series(1, ${count}) AS n`,
  mariadb: (count) => `SELECT seq AS n FROM seq_1_to_${count}`,
  'better-sqlite3': (count) =>
    `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < ${count}) SELECT n FROM s`,
};

/** So many spent codes that expired within the last hour, and one more that did not. */
export async function fillUsage(app, { count }) {
  const dataSource = app.get(DataSource);
  const { type } = dataSource.options;
  const now = Date.now();
  const text = (sql) => (type === 'mariadb' ? `CONCAT('', ${sql})` : `CAST(${sql} AS TEXT)`);
  const fill = (series, expiresAt) =>
    dataSource.query(
      `INSERT INTO mfa_usage (user_id, kind, item, spent_at, expires_at)
       SELECT ${text('((n % 100000) * 7919) % 999983')}, 'totp', ${text('n + 100000000')}, ${now - 7_000_000}, ${expiresAt}
       FROM (${series}) numbers`,
    );
  await fill(SERIES[type](count), `${now - 1} - (n % 3600000)`);
  await fill(`SELECT 0 AS n`, `${now + 3_600_000}`);
}

/** Rows of the usage table. */
export async function countUsage(app) {
  const [{ count }] = await app.get(DataSource).query('SELECT COUNT(*) AS count FROM mfa_usage');
  return Number(count);
}

/** Bytes of every table of the library and of its indexes (PostgreSQL). */
export async function tableSizes(app) {
  const dataSource = app.get(DataSource);
  await dataSource.query('ANALYZE');
  const rows = await dataSource.query(
    `SELECT relname AS table, reltuples::bigint AS rows, pg_table_size(oid) AS bytes, pg_indexes_size(oid) AS index_bytes
     FROM pg_class WHERE relkind = 'r' AND relname IN ('mfa_account', 'mfa_authenticator', 'mfa_backup_code', 'mfa_usage')
     ORDER BY relname`,
  );
  return rows.map((row) => ({
    table: row.table,
    rows: Number(row.rows),
    bytes: Number(row.bytes),
    indexBytes: Number(row.index_bytes),
  }));
}
