/** The floor: what any verification with replay prevention has to do. One SELECT, one conditional UPDATE. */
import pg from 'pg';
import { readBareToken, serveVerification } from './bare-http.mjs';
import { matchStep } from './totp.mjs';

const SELECT = 'SELECT secret FROM floor_user WHERE id = $1';
const SPEND = 'UPDATE floor_user SET last_step = $2 WHERE id = $1 AND last_step < $2';

export async function start({ databaseUrl, tokenKey, poolSize }) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: poolSize });
  return serveVerification(async ({ mfa_token, code }) => {
    const claims = readBareToken(mfa_token, tokenKey, Date.now());
    if (!claims) return false;
    const { rows } = await pool.query(SELECT, [claims.userId]);
    const step = rows.length === 1 ? matchStep(Buffer.from(rows[0].secret, 'hex'), code, Date.now()) : null;
    if (step === null) return false;
    return (await pool.query(SPEND, [claims.userId, step])).rowCount === 1;
  });
}
