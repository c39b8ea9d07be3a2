/** P6: what importing the module adds to an application's start, its memory, and its other routes. */
import { burst } from '../load/burst.mjs';
import { getRequest } from '../load/connection.mjs';
import { median, rounded } from '../load/statistics.mjs';
import { startServer } from '../servers/server-process.mjs';

const STARTS = 2;
const BURSTS = 4;
const PINGS = 8_000;

const FLAVOURS = {
  plain: {},
  module: { module: true },
  peers: { peers: true },
  moduleWithPeers: { peers: true, module: true },
};

export async function measureModuleCost({ cluster, key, rounds }) {
  const databaseUrl = await cluster.createDatabase('module_cost');
  // Makes the tables.
  await (await startServer('library', { adapter: 'fastify', databaseUrl, poolSize: 10, key })).stop();
  const open = (flavour) => startServer('ping', { databaseUrl, key, ...flavour });
  const starts = await compareStarts(open, rounds * STARTS);
  const routes = await compareRoutes([await open(FLAVOURS.plain), await open(FLAVOURS.module)], rounds);
  return { ...starts, ...routes };
}

async function compareStarts(open, rounds) {
  const starts = { plain: [], module: [], peers: [], moduleWithPeers: [] };
  for (let round = 0; round < rounds; round++) {
    for (const flavour of Object.keys(starts)) {
      const server = await open(FLAVOURS[flavour]);
      starts[flavour].push(await server.ask('started'));
      await server.stop();
    }
  }
  const added = (measure, flavour, base) =>
    rounded(median(starts[flavour].map((each, index) => each[measure] - starts[base][index][measure])));
  const plain = (measure) => rounded(median(starts.plain.map((each) => each[measure])));
  return {
    startMs: plain('startMs'),
    addedStartMs: added('startMs', 'module', 'plain'),
    addedStartWithPeersMs: added('startMs', 'moduleWithPeers', 'peers'),
    rssMiB: plain('rssMiB'),
    addedRssMiB: added('rssMiB', 'module', 'plain'),
    addedRssWithPeersMiB: added('rssMiB', 'moduleWithPeers', 'peers'),
  };
}

/** Processor time of a request with the module in relation to one without; of each the least disturbed burst. */
async function compareRoutes(servers, rounds) {
  const least = servers.map(() => Infinity);
  for (let round = 0; round < rounds * BURSTS; round++) {
    for (const index of round % 2 ? [1, 0] : [0, 1]) {
      const cost = await costOfPing(servers[index]);
      if (round >= 2) least[index] = Math.min(least[index], cost);
    }
  }
  for (const server of servers) await server.stop();
  return { otherRoutesCpuRatio: rounded(least[1] / least[0]) };
}

async function costOfPing(server) {
  const tickets = Array.from({ length: PINGS }, () => getRequest('/ping'));
  const before = await server.ask('usage');
  await burst({ port: server.port, tickets, inFlight: 8, seconds: 30, expected: 200 });
  return ((await server.ask('usage')).processorMs - before.processorMs) / PINGS;
}
