/**
 * The comparison: verification over HTTP by nestjs-mfa, the floor, and others, interleaved in one run on one private
 * PostgreSQL. `npm start -- --help` tells the options.
 */
import { openCluster } from './cluster/postgres-cluster.mjs';
import { measureElsewhere } from './elsewhere.mjs';
import { installLibrary } from './library.mjs';
import { Meter } from './measuring.mjs';
import { readOptions } from './options.mjs';
import { Progress } from './output/progress.mjs';
import { summarise } from './output/results.mjs';
import { writeChart } from './output/chart.mjs';
import { machineOf } from './output/machine.mjs';
import { printTables } from './output/terminal.mjs';
import { writeJson } from './output/json-file.mjs';
import { whenInterrupted } from './interruption.mjs';
import { stopServers } from './servers/server-process.mjs';
import { VARIANTS } from './variants/index.mjs';
import { prepareLibrary } from './variants/library.mjs';
import { SCENARIOS } from './variants/names.mjs';

const SECRET = Buffer.from('12345678901234567890');
const BASE32 = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
/** In flight in the scenarios other than a right TOTP code. */
const USUAL = 8;

const options = readOptions();
const progress = new Progress(1);
let cluster;
whenInterrupted(async () => {
  stopServers();
  await cluster?.stop();
});

try {
  progress.say('building the library');
  installLibrary();
  progress.say('starting PostgreSQL');
  cluster = await openCluster(options.databaseUrl);
  const { variants, problems } = await openVariants();
  const meter = new Meter(cluster);
  const cases = casesOf();
  progress.total = cases.length * variants.length * options.rounds;
  const statements = await countAll(meter, variants);
  await warmUp(meter, variants);
  // After the warm-up: plans of a table that was empty read it from end to end when it has grown.
  await cluster.settle();
  const rows = await runRounds(meter, variants, cases);
  for (const { server } of variants) await server.stop();
  const elsewhere = options.only.includes('fastify')
    ? await measureElsewhere({ ...options, secret: SECRET, meter, progress })
    : [];
  progress.end();
  const results = summarise({ options, machine: machineOf(cluster), statements, rows, problems, elsewhere });
  printTables(results);
  writeJson(options.json, results);
  if (options.svg) writeChart(options.svg, results);
  console.log(`\nwritten: ${[options.json, options.svg].filter(Boolean).join(', ')}`);
} finally {
  stopServers();
  await cluster?.stop();
}

/** Starts every wanted server; what cannot be started is told at the end. */
async function openVariants() {
  const wanted = VARIANTS.filter(({ name }) => options.only.includes(name));
  const context = { ...options, cluster, secret: SECRET, base32: BASE32, tokenKey: options.key };
  if (wanted.some(({ usesLibrary }) => usesLibrary)) {
    progress.say(`enrolling ${options.users} users`);
    const hasBackups = options.scenarios.some((scenario) => scenario.startsWith('backup'));
    const backupUsers = hasBackups ? Math.ceil((options.rounds + 1) * options.seconds * 8 + 1) : 0;
    context.library = await prepareLibrary({ ...context, backupUsers });
  }
  const variants = [];
  const problems = [];
  for (const { name, label, open } of wanted) {
    progress.say(`preparing ${label}`);
    try {
      variants.push({ name, label, ...(await open(context)) });
    } catch (error) {
      if (name !== 'better-auth' || error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
      problems.push(`${label}: not installed here`);
    }
  }
  return { variants, problems };
}

/** Every scenario with its numbers in flight. */
function casesOf() {
  return options.scenarios.flatMap((scenario) =>
    (scenario === 'totpRight' ? options.inFlight : [USUAL]).map((inFlight) => ({ scenario, inFlight })),
  );
}

function scenariosOf({ tickets }) {
  return options.scenarios.filter((scenario) => tickets[scenario]);
}

async function countAll(meter, variants) {
  const counted = {};
  for (const variant of variants) {
    counted[variant.name] = {};
    for (const scenario of scenariosOf(variant)) {
      counted[variant.name][scenario] = await meter.countStatements(variant, scenario);
    }
  }
  return counted;
}

async function warmUp(meter, variants) {
  for (const variant of variants) {
    progress.say(`warming up ${variant.label}`);
    for (const scenario of scenariosOf(variant)) {
      await meter.measure(variant, { scenario, inFlight: USUAL, seconds: options.seconds / 2 });
    }
  }
}

/** A/B/A/B: within a round every variant has its turn in each case, each round beginning with another one. */
async function runRounds(meter, variants, cases) {
  const rows = [];
  for (let round = 0; round < options.rounds; round++) {
    const order = variants.map((_, index) => variants[(index + round) % variants.length]);
    for (const { scenario, inFlight } of cases) {
      for (const variant of order) {
        progress.step(
          `round ${round + 1}/${options.rounds}: ${variant.label}, ${SCENARIOS[scenario].label}, ${inFlight} in flight`,
        );
        if (!variant.tickets[scenario]) continue;
        const measured = await meter.measure(variant, { scenario, inFlight, seconds: options.seconds });
        rows.push({ round, variant: variant.name, scenario, inFlight, ...measured });
      }
    }
    progress.say(`round ${round + 1} of ${options.rounds} is done`);
  }
  return rows;
}
