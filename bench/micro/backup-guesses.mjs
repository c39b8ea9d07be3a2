/** P3: TOTP verifications while 16 backup-code guesses are in flight, in relation to a quiet server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { burst } from '../load/burst.mjs';
import { median, rounded } from '../load/statistics.mjs';
import { startServer } from '../servers/server-process.mjs';
import { libraryTickets } from '../variants/library.mjs';
import { Turns } from '../variants/turns.mjs';

const USERS = 8_000;
/** More verifications a second than this are not prepared. */
const MOST_PER_SECOND = 700;
const TOTP_IN_FLIGHT = 4;
const GUESSES_IN_FLIGHT = 16;
const SECRET = Buffer.from('12345678901234567890');

export async function measureBackupGuesses({ cluster, key, rounds, seconds }) {
  const databaseUrl = await cluster.createDatabase('guesses');
  const server = await startServer('library', { adapter: 'fastify', databaseUrl, poolSize: 10, key });
  await server.ask('addUsers', { from: 0, to: USERS, secret: SECRET.toString('hex') });
  const tickets = libraryTickets({ server, turns: new Turns(USERS), secret: SECRET, backups: [] });
  const results = [];
  for (let round = -1; round < rounds; round++) {
    const quiet = await verify(server, tickets, seconds);
    const busy = await verifyWhileGuessing(server, tickets, seconds);
    if (round >= 0) results.push({ quiet, busy });
  }
  await server.stop();
  return {
    totpP99OfQuiet: rounded(median(results.map(({ quiet, busy }) => busy.p99 / quiet.p99))),
    totpP50OfQuiet: rounded(median(results.map(({ quiet, busy }) => busy.p50 / quiet.p50))),
    guessesPerSecond: rounded(median(results.map(({ busy }) => busy.guesses))),
    addedRssMiB: rounded(median(results.map(({ quiet, busy }) => busy.rssMiB - quiet.rssMiB))),
  };
}

async function verify(server, tickets, seconds) {
  const batch = await tickets.totpRight(seconds * MOST_PER_SECOND);
  const memory = watchMemory(server);
  const result = await burst({ port: server.port, tickets: batch, inFlight: TOTP_IN_FLIGHT, seconds, expected: 200 });
  return { ...result, rssMiB: await memory.end() };
}

async function verifyWhileGuessing(server, tickets, seconds) {
  const guesses = await tickets.backupWrong((seconds + 5) * 80);
  let verified = false;
  const guessing = burst({
    ...{ port: server.port, tickets: guesses, inFlight: GUESSES_IN_FLIGHT, seconds: 60, expected: 401 },
    until: () => verified,
  });
  const result = await verify(server, tickets, seconds);
  verified = true;
  return { ...result, guesses: (await guessing).throughput };
}

/** The most memory of the server until `end()`. */
function watchMemory(server) {
  let most = 0;
  let ended = false;
  const watching = (async () => {
    while (!ended) {
      most = Math.max(most, (await server.ask('usage')).rss);
      await sleep(50);
    }
  })();
  return {
    async end() {
      ended = true;
      await watching;
      return most / 2 ** 20;
    },
  };
}
