/** The targets that need no load test: what one part costs. `npm run micro -- [--quick] [--json FILE]`. */
import { parseArgs } from 'node:util';
import { openCluster } from './cluster/postgres-cluster.mjs';
import { whenInterrupted } from './interruption.mjs';
import { installLibrary } from './library.mjs';
import { measureBackupGuesses } from './micro/backup-guesses.mjs';
import { measureModuleCost } from './micro/module-cost.mjs';
import { measurePureChecks } from './micro/pure-checks.mjs';
import { measureSetup } from './micro/setup.mjs';
import { here } from './options.mjs';
import { writeJson } from './output/json-file.mjs';
import { machineOf } from './output/machine.mjs';
import { stopServers } from './servers/server-process.mjs';

const say = (text) => process.stderr.write(`${text}\n`);
const { values: given } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'string' } } });
const options = {
  rounds: given.quick ? 2 : 5,
  seconds: given.quick ? 1 : 3,
  key: 'Y3q0h8Jx5nVb2LwZ7tRk4uDs9fGm1cXe6aPoQiNyB0U=',
};

let cluster;
whenInterrupted(async () => {
  stopServers();
  await cluster?.stop();
});

try {
  say('building the library');
  installLibrary();
  say('checks of codes and tokens');
  // Before anything else competes for the processor.
  const checks = await measurePureChecks(options);
  cluster = await openCluster();
  say('setup');
  const setup = await measureSetup({ ...options, cluster });
  say('what the module adds to an application');
  const module = await measureModuleCost({ ...options, cluster });
  say('verifications beside backup-code guesses');
  const backupGuesses = await measureBackupGuesses({ ...options, cluster });
  const date = new Date().toISOString().slice(0, 10);
  const results = { date, machine: machineOf(cluster), checks, setup, module, backupGuesses };
  writeJson(given.json ?? here(given.quick ? 'results/quick.micro.json' : 'results/micro.json'), results);
  console.log(JSON.stringify(results, null, 2));
} finally {
  stopServers();
  await cluster?.stop();
}
