/** The two servers without a framework. */
import { randomUUID } from 'node:crypto';
import { administer } from '../cluster/postgres-cluster.mjs';
import { postRequest } from '../load/connection.mjs';
import { signBareToken } from '../servers/bare-http.mjs';
import { startServer } from '../servers/server-process.mjs';
import { codeOf, wrongCode } from '../servers/totp.mjs';
import { userIdOf } from '../servers/user-ids.mjs';
import { Turns } from './turns.mjs';

/** Tickets of a server that takes a bare token. */
function bareTickets({ turns, secret, tokenKey }) {
  const ticket = (user, code) => {
    const expiresAtMs = Date.now() + 300_000;
    const mfa_token = signBareToken({ userId: userIdOf(user), tokenId: randomUUID(), expiresAtMs }, tokenKey);
    return postRequest('/mfa/verify', { mfa_token, code });
  };
  return {
    async totpRight(count) {
      return (await turns.right(count)).map(({ user, step }) => ticket(user, codeOf(secret, step)));
    },
    async totpWrong(count) {
      const code = wrongCode(secret, Date.now());
      return turns.wrong(count).map((user) => ticket(user, code));
    },
  };
}

/** One SELECT and one conditional UPDATE. */
export async function floor({ cluster, users, poolSize, secret, tokenKey }) {
  const databaseUrl = await cluster.createDatabase('floor');
  await administer(
    databaseUrl,
    'CREATE TABLE floor_user (id uuid PRIMARY KEY, secret text NOT NULL, last_step bigint NOT NULL)',
  );
  await administer(
    databaseUrl,
    `INSERT INTO floor_user SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, $1, 0
     FROM generate_series(0, $2::int - 1) n`,
    [secret.toString('hex'), users],
  );
  const server = await startServer('floor', { databaseUrl, tokenKey, poolSize });
  return { server, tickets: bareTickets({ turns: new Turns(users, { wrongEach: Infinity }), secret, tokenKey }) };
}

/** The statements of the library without the library. `plans` are what was recorded of it. */
export async function sameStatements({ cluster, users, poolSize, secret, tokenKey, library }) {
  const databaseUrl = await cluster.createDatabase('same_statements', library.template);
  const config = { databaseUrl, tokenKey, poolSize, secret: secret.toString('hex'), plans: library.plans };
  const server = await startServer('same-statements', config);
  return { server, tickets: bareTickets({ turns: new Turns(users), secret, tokenKey }) };
}
