/** The library on Fastify or Express: a copy of one prepared database each. */
import { postRequest } from '../load/connection.mjs';
import { startServer } from '../servers/server-process.mjs';
import { codeOf, wrongCode } from '../servers/totp.mjs';
import { userIdOf } from '../servers/user-ids.mjs';
import { Turns } from './turns.mjs';

/** Users of the recording, beyond those of the bursts. */
const RECORDED = 4;

/** A database with `users` enrolled users, some more with backup codes, and what the library sends, on record. */
export async function prepareLibrary({ cluster, users, backupUsers, poolSize, secret, key }) {
  const template = 'library';
  const databaseUrl = await cluster.createDatabase(template);
  const server = await startServer('library', { adapter: 'fastify', databaseUrl, poolSize, key });
  const hex = secret.toString('hex');
  await server.ask('addUsers', { from: 0, to: users + RECORDED, secret: hex });
  const backups = await server.ask('addBackupUsers', { count: backupUsers });
  const userIds = Array.from({ length: RECORDED }, (_, index) => userIdOf(users + index));
  const plans = await server.ask('recordPlans', { secret: hex, userIds });
  await server.ask('close');
  await server.stop();
  return { template, plans, backups };
}

export const libraryOn = (adapter) =>
  async function library({ cluster, users, poolSize, secret, key, library: { template, backups } }) {
    const databaseUrl = await cluster.createDatabase(`library_${adapter}`, template);
    const server = await startServer('library', { adapter, databaseUrl, poolSize, key });
    return { server, tickets: libraryTickets({ server, turns: new Turns(users), secret, backups }) };
  };

/** The library on another database: a small set of users of its own. */
export async function libraryElsewhere({ databaseUrl, users, poolSize, secret, key }) {
  const server = await startServer('library', { adapter: 'fastify', databaseUrl, poolSize, key });
  await server.ask('addUsers', { from: 0, to: users, secret: secret.toString('hex') });
  return { server, tickets: libraryTickets({ server, turns: new Turns(users), secret, backups: [] }) };
}

/** Tickets hold an mfa_token each, issued by the server before the time is taken. */
export function libraryTickets({ server, turns, secret, backups, idOf = userIdOf }) {
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
    backupRight: (count) => tickets(codes.splice(0, count)),
    backupWrong: (count) => guess(count, 'AAAA-AAAA'),
  };
}

/** The first code of everybody, then the second: several open attempts of one user would be locked. */
function inTurns(backups) {
  const numbers = backups[0]?.codes.map((_, index) => index) ?? [];
  return numbers.flatMap((index) => backups.map(({ userId, codes }) => ({ userId, code: codes[index] })));
}
