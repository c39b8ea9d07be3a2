/**
 * Verification with ten thousand, a million and (--ten-million) ten million enrolled users, and the cleanup of a million
 * spent codes under load. `npm run scale -- --help` tells the options.
 */
import { parseArgs } from 'node:util';
import { openCluster } from './cluster/postgres-cluster.mjs';
import { whenInterrupted } from './interruption.mjs';
import { installLibrary } from './library.mjs';
import { here } from './options.mjs';
import { writeJson } from './output/json-file.mjs';
import { machineOf } from './output/machine.mjs';
import { Progress } from './output/progress.mjs';
import { printTable } from './output/terminal.mjs';
import { cleanUpElsewhere, cleanUpUnderLoad } from './scale/cleanup.mjs';
import { compareCrowds, openCrowd } from './scale/crowds.mjs';
import { stopServers } from './servers/server-process.mjs';

const HELP = `npm run scale -- [options]
  --ten-million       also with ten million users (about 10 GB of disk)
  --rounds N          interleaved rounds                          (7)
  --seconds S         length of one burst                         (2)
  --codes N           backup codes of each user in the table      (1)
  --quick             ten and a hundred thousand users, 3 rounds of 1 s
  --database-url URL  a running PostgreSQL (superuser) instead of a private one
  --mariadb-url URL   (mysql://root@127.0.0.1:3306)
  --json FILE         (results/scale.json)`;

const { values: given } = parseArgs({
  options: {
    ...{ 'ten-million': { type: 'boolean' }, quick: { type: 'boolean' }, help: { type: 'boolean' } },
    ...{ rounds: { type: 'string' }, seconds: { type: 'string' }, codes: { type: 'string' }, json: { type: 'string' } },
    ...{ 'database-url': { type: 'string' }, 'mariadb-url': { type: 'string' } },
  },
});
if (given.help) {
  console.log(HELP);
  process.exit(0);
}
const options = {
  sizes: given.quick ? [1e4, 1e5] : [1e4, 1e6, ...(given['ten-million'] ? [1e7] : [])],
  expired: given.quick ? 1e5 : 1e6,
  rounds: Number(given.rounds ?? (given.quick ? 3 : 7)),
  seconds: Number(given.seconds ?? (given.quick ? 1 : 2)),
  codes: Number(given.codes ?? 1),
  mariadbUrl: given['mariadb-url'] ?? 'mysql://root@127.0.0.1:3306',
  json: given.json ?? here(given.quick ? 'results/quick.scale.json' : 'results/scale.json'),
  key: 'Y3q0h8Jx5nVb2LwZ7tRk4uDs9fGm1cXe6aPoQiNyB0U=',
};

const progress = new Progress(1);
let cluster;
whenInterrupted(async () => {
  stopServers();
  await cluster?.stop();
});

try {
  progress.say('building the library');
  installLibrary();
  cluster = await openCluster(given['database-url']);
  const crowds = [];
  for (const size of options.sizes) {
    progress.say(`enrolling ${size.toLocaleString('en')} users`);
    crowds.push(await openCrowd(size, { ...options, cluster }));
  }
  const verification = await compareCrowds(crowds, { ...options, cluster, progress });
  // At once: filling in the tables took long, and what comes may fail.
  console.log('\nverification');
  printTable(
    verification.map(({ p50, throughput, ...row }) => ({ ...row, p50: p50.median, throughput: throughput.median })),
  );
  const cleanup = [await cleanUpUnderLoad(crowds[1], { ...options, cluster, progress })];
  cleanup.push(...(await cleanUpElsewhere({ ...options, progress })));
  progress.end();
  const sizes = crowds.map(({ size, tables }) => ({ size, tables }));
  const machine = machineOf(cluster);
  writeJson(options.json, { date: new Date().toISOString().slice(0, 10), machine, verification, sizes, cleanup });
  for (const { size, tables } of sizes) {
    console.log(`\nbytes a row with ${size.toLocaleString('en')} users`);
    printTable(tables);
  }
  console.log(`\ncleanup of ${options.expired.toLocaleString('en')} expired rows`);
  for (const row of cleanup) console.log(row);
  console.log(`\nwritten: ${options.json}`);
} finally {
  stopServers();
  await cluster?.stop();
}
