/**
 * This checkout against an older commit, side by side in one run: start and memory of an application, and TOTP
 * verification over HTTP. `npm run against -- <commit> [--rounds N] [--seconds S] [--json FILE]`. Both builds use the
 * packages that are installed here, and each has the servers of its own `bench/`.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { openCheckout } from './against/checkout.mjs';
import { openCluster } from './cluster/postgres-cluster.mjs';
import { whenInterrupted } from './interruption.mjs';
import { installLibrary } from './library.mjs';
import { median, rounded, summary } from './load/statistics.mjs';
import { Meter } from './measuring.mjs';
import { here } from './options.mjs';
import { writeJson } from './output/json-file.mjs';
import { machineOf } from './output/machine.mjs';
import { startServer, stopServers } from './servers/server-process.mjs';
import { libraryTickets } from './variants/library.mjs';
import { Turns } from './variants/turns.mjs';

const USERS = 12_000;
const SECRET = Buffer.from('12345678901234567890');
const STARTS_EACH_ROUND = 4;

const say = (text) => process.stderr.write(`${text}\n`);
const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string' }, seconds: { type: 'string' }, json: { type: 'string' } },
});
const [commit] = positionals;
if (!commit) throw new Error('npm run against -- <commit>');
const rounds = Number(given.rounds ?? 8);
const seconds = Number(given.seconds ?? 1.5);
const key = randomBytes(32).toString('base64');

let cluster;
let before;
const stop = async () => {
  stopServers();
  await cluster?.stop();
  before?.remove();
};
whenInterrupted(stop);

try {
  say('building both libraries');
  installLibrary();
  before = openCheckout(commit);
  cluster = await openCluster();
  const builds = [await openBuild('before', before.servers), await openBuild('now', here('servers'))];
  const starts = await compareStarts(builds);
  const verification = await compareVerification(builds);
  const date = new Date().toISOString().slice(0, 10);
  const results = { date, commit: before.commit, machine: machineOf(cluster), rounds, ...starts, verification };
  writeJson(given.json ?? here('results/against.json'), results);
  console.log(JSON.stringify(results, null, 2));
} finally {
  await stop();
}

/** A database of its own, with users, and the server of this build. */
async function openBuild(name, servers) {
  const databaseUrl = await cluster.createDatabase(`library_${name}`);
  const open = (module, config) => startServer(module, { databaseUrl, key, poolSize: 10, ...config }, { servers });
  const server = await open('library', { adapter: 'fastify' });
  await server.ask('addUsers', { from: 0, to: USERS, secret: SECRET.toString('hex') });
  const tickets = libraryTickets({ server, turns: new Turns(USERS), secret: SECRET, backups: [] });
  return { name, open, server, tickets };
}

/** Medians of interleaved starts: milliseconds and MiB of an application, and how many more it needs now. */
async function compareStarts(builds) {
  const measured = { before: [], now: [] };
  for (let start = -1; start < rounds * STARTS_EACH_ROUND; start++) {
    say(`start ${start + 1} of ${rounds * STARTS_EACH_ROUND}`);
    for (const { name, open } of inTurn(builds, start)) {
      const server = await open('ping', { module: true, peers: true });
      if (start >= 0) measured[name].push(await server.ask('started'));
      await server.stop();
    }
  }
  const compared = (measure) => compare(measured, measure, { added: (now, before) => now - before });
  return { startMs: compared('startMs'), rssMiB: compared('rssMiB') };
}

/** Right TOTP codes, 8 in flight: what each build did, and medians of the ratios of the rounds. */
async function compareVerification(builds) {
  const meter = new Meter(cluster);
  const run = { scenario: 'totpRight', inFlight: 8, seconds };
  const statements = {};
  for (const build of builds) statements[build.name] = await meter.countStatements(build, run.scenario);
  for (const build of builds) await meter.measure(build, run);
  // Plans of a table that was empty read it from end to end when it has grown.
  await cluster.settle();
  const measured = { before: [], now: [] };
  for (let round = 0; round < rounds; round++) {
    say(`round ${round + 1} of ${rounds}`);
    for (const build of inTurn(builds, round)) measured[build.name].push(await meter.measure(build, run));
  }
  const compared = (measure) => [measure, compare(measured, measure, { ratio: (now, before) => now / before })];
  const measures = ['throughput', 'p50', 'p99', 'serverCpuMs', 'databaseCpuMs', 'rssMiB'];
  return { statements, ...Object.fromEntries(measures.map(compared)) };
}

/** Median and spread of each build, and under the name of `relation` its median over the pairs. */
function compare({ before, now }, measure, relation) {
  const [[name, relate]] = Object.entries(relation);
  const related = now.map((each, index) => relate(each[measure], before[index][measure]));
  const of = (build) => summary(build.map((each) => each[measure]));
  return { before: of(before), now: of(now), [name]: rounded(median(related)) };
}

function inTurn(builds, round) {
  return round % 2 ? builds.toReversed() : builds;
}
