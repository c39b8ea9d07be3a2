/**
 * Where the processor time of a verification goes: self time by package, of the library on Fastify and of the bare server
 * that sends the same statements. `npm run profile -- [seconds]`.
 */
import { randomBytes } from 'node:crypto';
import { openCluster } from './cluster/postgres-cluster.mjs';
import { whenInterrupted } from './interruption.mjs';
import { installLibrary } from './library.mjs';
import { burst } from './load/burst.mjs';
import { printTable } from './output/terminal.mjs';
import { stopServers } from './servers/server-process.mjs';
import { sameStatements } from './variants/bare.mjs';
import { libraryOn, prepareLibrary } from './variants/library.mjs';

const SECONDS = Number(process.argv[2] ?? 5);
const IN_FLIGHT = 8;
/** Waiting, and the profiler itself. */
const NOT_WORK = ['(idle)', 'dispatch'];

let cluster;
whenInterrupted(async () => {
  stopServers();
  await cluster?.stop();
});

try {
  installLibrary();
  cluster = await openCluster();
  const key = randomBytes(32).toString('base64');
  const secret = Buffer.from('12345678901234567890');
  const context = { cluster, users: 10_000, backupUsers: 0, poolSize: 10, secret, key, tokenKey: key };
  context.library = await prepareLibrary(context);
  await show('nestjs-mfa on Fastify', await libraryOn('fastify')(context));
  await show('bare HTTP, the same statements', await sameStatements(context));
} finally {
  stopServers();
  await cluster?.stop();
}

async function show(label, { server, tickets }) {
  const load = async (seconds) =>
    burst({
      port: server.port,
      inFlight: IN_FLIGHT,
      seconds,
      expected: 200,
      tickets: await tickets.totpRight(seconds * 1_500),
    });
  await load(2);
  const batch = await tickets.totpRight(SECONDS * 1_500);
  await server.ask('startProfile');
  const { requests } = await burst({
    port: server.port,
    inFlight: IN_FLIGHT,
    seconds: SECONDS,
    expected: 200,
    tickets: batch,
  });
  const busy = (await server.ask('stopProfile')).filter(({ name }) => !NOT_WORK.includes(name));
  await server.stop();
  const total = busy.reduce((sum, { selfUs }) => sum + selfUs, 0);
  console.log(`\n${label}: ${requests} verifications, ${(total / requests).toFixed(0)} µs of work each`);
  printTable(top(busy, packageOf, { requests, total, count: 25 }));
  console.log('');
  printTable(top(busy, functionOf, { requests, total, count: 25 }));
}

function top(functions, groupOf, { requests, total, count }) {
  const groups = new Map();
  for (const each of functions) groups.set(groupOf(each), (groups.get(groupOf(each)) ?? 0) + each.selfUs);
  const sorted = [...groups].sort(([, a], [, b]) => b - a).slice(0, count);
  return sorted.map(([name, us]) => ({
    name,
    'µs a request': (us / requests).toFixed(1),
    share: `${((us / total) * 100).toFixed(1)} %`,
  }));
}

function packageOf({ url, name }) {
  if (url === '') return name;
  const [, own] = /node_modules\/nestjs-mfa\/src\/(.*)$/.exec(url) ?? [];
  if (own) return `nestjs-mfa: ${own.split('/')[0]}`;
  const [, found] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  if (found) return found;
  return url.startsWith('node:') ? `node: ${url.slice(5).replace('internal/', '').split('/')[0]}` : 'the benchmark';
}

function functionOf({ url, name, line }) {
  return url === '' ? name : `${name} ${url.replace(/.*node_modules\//, '')}:${line}`;
}
