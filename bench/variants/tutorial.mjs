/** The usual tutorial on Nest with Express. */
import { administer } from '../cluster/postgres-cluster.mjs';
import { postRequest } from '../load/connection.mjs';
import { startServer } from '../servers/server-process.mjs';
import { codeOf, wrongCode } from '../servers/totp.mjs';
import { userIdOf } from '../servers/user-ids.mjs';
import { Turns } from './turns.mjs';

export async function tutorial({ cluster, users, poolSize, secret, base32, key }) {
  const databaseUrl = await cluster.createDatabase('tutorial');
  const server = await startServer('tutorial', { databaseUrl, poolSize, secret: key });
  await administer(
    databaseUrl,
    `INSERT INTO tutorial_user (id, email, password_hash, two_factor_secret, two_factor_enabled)
     SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n || '@example.test', repeat('x', 60), $1, true
     FROM generate_series(0, $2::int - 1) n`,
    [base32, users],
  );
  const turns = new Turns(users);
  const tickets = async (guesses) => {
    const tokens = await server.ask(
      'issue',
      guesses.map(({ user }) => userIdOf(user)),
    );
    return guesses.map(({ code }, index) =>
      postRequest('/2fa/authenticate', { code }, { authorization: `Bearer ${tokens[index]}` }),
    );
  };
  return {
    server,
    tickets: {
      async totpRight(count) {
        const right = await turns.right(count);
        return tickets(right.map(({ user, step }) => ({ user, code: codeOf(secret, step) })));
      },
      async totpWrong(count) {
        const code = wrongCode(secret, Date.now());
        return tickets(turns.wrong(count).map((user) => ({ user, code })));
      },
    },
  };
}
