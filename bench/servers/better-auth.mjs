/** better-auth with e-mail and password and its `twoFactor` plugin, set up as its documentation says, on `pg`. */
import { createServer } from 'node:http';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { twoFactor } from 'better-auth/plugins';
import pg from 'pg';

export async function start({ databaseUrl, poolSize, secret, baseURL }) {
  const auth = betterAuth({
    database: new pg.Pool({ connectionString: databaseUrl, max: poolSize }),
    secret,
    baseURL,
    emailAndPassword: { enabled: true },
    // Every request of the benchmark comes from one address.
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { disabled: true },
    plugins: [twoFactor({ issuer: 'Bench' })],
  });
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
  const handler = toNodeHandler(auth);
  const server = createServer((request, response) => void handler(request, response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: server.address().port };
}
