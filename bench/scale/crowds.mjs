/** Databases with many users, and the verification by some of them. */
import { median, rounded, summary } from '../load/statistics.mjs';
import { Meter } from '../measuring.mjs';
import { crowdUserId } from '../servers/crowd-ids.mjs';
import { startServer } from '../servers/server-process.mjs';
import { libraryTickets } from '../variants/library.mjs';
import { Turns } from '../variants/turns.mjs';
import { administer } from '../cluster/postgres-cluster.mjs';

export const SECRET = Buffer.from('12345678901234567890');
export const IN_FLIGHT = 8;
/** Users whose secrets are real, spread over all. */
const ACTIVE = 8_000;

/** A server on a database with `size` enrolled users. */
export async function openCrowd(size, { cluster, codes, key }) {
  const databaseUrl = await cluster.createDatabase(`crowd_${size}`);
  // So that the longest statement is told by the database itself.
  const database = new URL(databaseUrl).pathname.slice(1);
  await administer(databaseUrl, `ALTER DATABASE ${database} SET log_min_duration_statement = 10`);
  await administer(databaseUrl, `ALTER DATABASE ${database} SET log_parameter_max_length = 0`);
  const server = await startServer('library', { adapter: 'fastify', databaseUrl, poolSize: 10, key });
  const active = Array.from({ length: ACTIVE }, (_, index) => Math.floor((index * size) / ACTIVE));
  await server.ask('addCrowd', { count: size, codes, active, secret: SECRET.toString('hex') });
  const idOf = (index) => crowdUserId(active[index]);
  const tickets = libraryTickets({ server, turns: new Turns(ACTIVE), secret: SECRET, backups: [], idOf });
  return { name: String(size), size, server, tickets, tables: perRow(await server.ask('tableSizes')) };
}

/** Of tables with enough rows to tell. */
export function perRow(tables) {
  return tables
    .filter(({ rows }) => rows > 1_000)
    .map(({ table, rows, bytes, indexBytes }) => ({
      table,
      rows,
      bytesPerRow: rounded(bytes / rows),
      indexBytesPerRow: rounded(indexBytes / rows),
    }));
}

/** Interleaved bursts on every crowd; `p50OfFirst` is the median of the rounds' ratios to the smallest. */
export async function compareCrowds(crowds, { cluster, rounds, seconds, progress }) {
  const meter = new Meter(cluster);
  const measured = crowds.map(() => []);
  for (let round = -1; round < rounds; round++) {
    progress.say(round < 0 ? 'warming up' : `round ${round + 1} of ${rounds}`);
    for (let turn = 0; turn < crowds.length; turn++) {
      const index = (turn + round + 1) % crowds.length;
      const crowd = crowds[index];
      const result = await meter.measure(crowd, { scenario: 'totpRight', inFlight: IN_FLIGHT, seconds });
      if (round >= 0) measured[index].push(result);
    }
  }
  return crowds.map(({ size }, index) => ({
    size,
    p50: summary(measured[index].map(({ p50 }) => p50)),
    p50OfFirst: rounded(median(measured[index].map(({ p50 }, round) => p50 / measured[0][round].p50))),
    throughput: summary(measured[index].map(({ throughput }) => throughput)),
  }));
}
