/** The library on Fastify or Express: a copy of one prepared database each. */
import { postRequest } from '../load/connection.mjs';
import { startServer } from '../servers/server-process.mjs';
import { codeOf, wrongCode } from '../servers/totp.mjs';
import { userIdOf } from '../servers/user-ids.mjs';
import { createPasskeyUsers, PASSKEYS } from './passkeys.mjs';
import { Turns } from './turns.mjs';

/** Users of the recording, beyond those of the bursts. */
const RECORDED = 4;

/** A database with `users` enrolled users, some more with backup codes, and what the library sends, on record. */
export async function prepareLibrary({ cluster, users, backupUsers, poolSize, secret, key }) {
  const template = 'library';
  const databaseUrl = await cluster.createDatabase(template);
  const server = await startServer('library', { adapter: 'fastify', databaseUrl, poolSize, key, mfa: PASSKEYS });
  const hex = secret.toString('hex');
  await server.ask('addUsers', { from: 0, to: users + RECORDED, secret: hex });
  const backups = await server.ask('addBackupUsers', { count: backupUsers });
  const passkeys = await createPasskeyUsers(server);
  const userIds = Array.from({ length: RECORDED }, (_, index) => userIdOf(users + index));
  const plans = await server.ask('recordPlans', { secret: hex, userIds });
  await server.ask('close');
  await server.stop();
  return { template, plans, backups, passkeys };
}

export const libraryOn = (adapter) =>
  async function library({ cluster, users, poolSize, secret, key, library: { template, backups, passkeys } }) {
    const databaseUrl = await cluster.createDatabase(`library_${adapter}`, template);
    const server = await startServer('library', { adapter, databaseUrl, poolSize, key, mfa: PASSKEYS });
    return { server, tickets: libraryTickets({ server, turns: new Turns(users), secret, backups, passkeys }) };
  };

/** The library on another database: a small set of users of its own. */
export async function libraryElsewhere({ databaseUrl, users, poolSize, secret, key }) {
  const server = await startServer('library', { adapter: 'fastify', databaseUrl, poolSize, key, mfa: PASSKEYS });
  await server.ask('addUsers', { from: 0, to: users, secret: secret.toString('hex') });
  const passkeys = await createPasskeyUsers(server);
  return { server, tickets: libraryTickets({ server, turns: new Turns(users), secret, backups: [], passkeys }) };
}

/** Tickets hold an mfa_token each, issued by the server before the time is taken. */
export function libraryTickets({ server, turns, secret, backups, passkeys = [], idOf = userIdOf }) {
  let signed = 0;
  const codes = inTurns(backups);
  const tickets = async (guesses) => {
    const tokens = await server.ask(
      'issue',
      guesses.map(({ userId }) => userId),
    );
    return guesses.map(({ code }, index) => postRequest('/mfa/verify', { mfa_token: tokens[index], code }));
  };
  const guess = (count, code) => tickets(turns.wrong(count).map((user) => ({ userId: idOf(user), code })));
  return {
    async totpRight(count) {
      const right = await turns.right(count);
      return tickets(right.map(({ user, step }) => ({ userId: idOf(user), code: codeOf(secret, step) })));
    },
    totpWrong: (count) => guess(count, wrongCode(secret, Date.now())),
    /** Everybody in turn: each response is to an unspent challenge. */
    async passkeyRight(count) {
      const users = Array.from({ length: count }, () => passkeys[signed++ % passkeys.length]);
      const userIds = users.map(({ userId }) => userId);
      const issued = await server.ask('issueForPasskeys', userIds);
      return issued.map(({ mfa_token, options }, index) =>
        postRequest('/mfa/verify', { mfa_token, passkey: users[index].key.get(options) }),
      );
    },
    backupRight: (count) => tickets(codes.splice(0, count)),
    backupWrong: (count) => guess(count, 'AAAA-AAAA'),
  };
}

/** The first code of everybody, then the second: several open attempts of one user would be locked. */
function inTurns(backups) {
  const numbers = backups[0]?.codes.map((_, index) => index) ?? [];
  return numbers.flatMap((index) => backups.map(({ userId, codes }) => ({ userId, code: codes[index] })));
}
