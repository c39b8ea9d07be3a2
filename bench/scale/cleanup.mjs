/** The cleanup of expired rows: under load on PostgreSQL, by itself on MariaDB and SQLite. */
import { openMariadb, openSqlite } from '../elsewhere.mjs';
import { burst } from '../load/burst.mjs';
import { rounded } from '../load/statistics.mjs';
import { startServer } from '../servers/server-process.mjs';
import { IN_FLIGHT, perRow } from './crowds.mjs';

/** Codes are good for 30 seconds at least after they were made, and making them takes some. */
const LONGEST_BURST_S = 14;
const TICKETS = 8_000;

/** Verifications while the same process cleans up, in relation to those before and after. */
export async function cleanUpUnderLoad({ server, tickets }, { cluster, expired, progress }) {
  progress.say(`filling in ${expired.toLocaleString('en')} expired rows`);
  await server.ask('fillUsage', { count: expired });
  const [usage] = perRow(await server.ask('tableSizes')).filter(({ table }) => table === 'mfa_usage');
  const kept = (await server.ask('countUsage')) - expired;
  progress.say('verifying before, during and after the cleanup');
  const verify = async (limits) =>
    burst({
      port: server.port,
      inFlight: IN_FLIGHT,
      expected: 200,
      ...limits,
      tickets: await tickets.totpRight(limits.count),
    });
  const before = await verify({ count: TICKETS / 2, seconds: 5 });
  cluster.takeLog();

  let report = null;
  const batch = await tickets.totpRight(TICKETS);
  const purging = server.ask('purge').then((answer) => (report = answer));
  const during = await burst({
    ...{ port: server.port, tickets: batch, inFlight: IN_FLIGHT, seconds: LONGEST_BURST_S, expected: 200 },
    until: () => report !== null,
  });
  await purging;
  const log = cluster.takeLog();
  const after = await verify({ count: TICKETS / 2, seconds: 5 });
  await requireClean(server, { report, expired, kept });
  const quiet = (measure) => (before[measure] + after[measure]) / 2;
  return {
    database: 'PostgreSQL',
    expired,
    seconds: rounded(report.seconds),
    longestStatementMs: longestDelete(log) ?? rounded(report.longestStatementMs),
    p50OfQuiet: rounded(during.p50 / quiet('p50')),
    throughputOfQuiet: rounded(during.throughput / quiet('throughput')),
    longestStallMs: rounded(report.longestStallMs),
    usage,
  };
}

/** As the database logged it, which is told of statements from 10 ms on; `null` when nothing is in the log. */
function longestDelete(log) {
  const durations = [
    ...log.matchAll(/duration: ([\d.]+) ms +(?:execute|statement|parse|bind)[^:]*: +(?:DELETE|WITH)/gi),
  ];
  return durations.length > 0 ? Math.max(...durations.map(([, ms]) => Number(ms))) : null;
}

/** On a MariaDB and a SQLite of their own. */
export async function cleanUpElsewhere({ expired, progress, mariadbUrl, key }) {
  const reports = [];
  for (const open of [openMariadb, openSqlite]) {
    const { label, skipped, url, drop } = await open({ mariadbUrl });
    const database = label.includes('SQLite') ? 'SQLite' : 'MariaDB';
    progress.say(`cleaning up on ${database}`);
    if (skipped) reports.push({ database, skipped });
    else reports.push({ database, expired, ...(await cleanUpAlone({ url, drop, key, expired })) });
  }
  return reports;
}

async function cleanUpAlone({ url, drop, key, expired }) {
  try {
    const server = await startServer('library', { adapter: 'fastify', databaseUrl: url, poolSize: 10, key });
    await server.ask('fillUsage', { count: expired });
    const report = await server.ask('purge');
    await requireClean(server, { report, expired, kept: 1 });
    await server.stop();
    return { seconds: rounded(report.seconds), longestStallMs: rounded(report.longestStallMs) };
  } finally {
    await drop();
  }
}

/** What expired is gone, and what did not is there. */
async function requireClean(server, { report, expired, kept }) {
  const left = await server.ask('countUsage');
  // What was spent while the tables were filled may have expired by itself meanwhile.
  const more = report.removed.usage - expired;
  if (more < 0 || left < kept - more) {
    throw new Error(
      `the cleanup removed ${report.removed.usage} of ${expired} rows and left ${left}, not ${kept - more} or more`,
    );
  }
}
