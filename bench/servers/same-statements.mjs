/**
 * A bare `node:http` + `pg` server that sends the very statements that the library sends, in its order: what is left
 * between the two is the price of Nest, TypeORM and the library itself. It trusts its plan where the library looks.
 */
import pg from 'pg';
import { readBareToken, serveVerification } from './bare-http.mjs';
import { bindParameters } from './statement-plan.mjs';
import { matchStep } from './totp.mjs';

export async function start({ databaseUrl, tokenKey, poolSize, secret, plans }) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: poolSize });
  const key = Buffer.from(secret, 'hex');
  return serveVerification(async ({ mfa_token, code }) => {
    const nowMs = Date.now();
    const claims = readBareToken(mfa_token, tokenKey, nowMs);
    if (!claims) return false;
    const step = matchStep(key, code, nowMs);
    for (const { text, name, parameters, rowCount } of step === null ? plans.wrong : plans.right) {
      const values = bindParameters(parameters, { ...claims, step, nowMs });
      const result = await pool.query({ text, name, values });
      if (result.rowCount !== rowCount) return false;
    }
    return step !== null;
  });
}
