/** P6: what importing the module adds to an application's start, its memory, and its other routes. */
import { burst } from '../load/burst.mjs';
import { getRequest } from '../load/connection.mjs';
import { median, rounded } from '../load/statistics.mjs';
import { startServer } from '../servers/server-process.mjs';

const STARTS = 2;

export async function measureModuleCost({ cluster, key, rounds, seconds }) {
  const databaseUrl = await cluster.createDatabase('module_cost');
  // Makes the tables.
  await (await startServer('library', { adapter: 'fastify', databaseUrl, poolSize: 10, key })).stop();
  const open = (flavour) => startServer('ping', { databaseUrl, key, flavour });
  const starts = await compareStarts(open, rounds * STARTS);
  const routes = await compareRoutes([await open('plain'), await open('module')], rounds, seconds);
  return { ...starts, ...routes };
}

async function compareStarts(open, rounds) {
  const starts = { plain: [], peers: [], module: [] };
  for (let round = 0; round < rounds; round++) {
    for (const flavour of Object.keys(starts)) {
      const server = await open(flavour);
      starts[flavour].push(await server.ask('started'));
      await server.stop();
    }
  }
  const added = (measure, base) =>
    rounded(median(starts.module.map((each, index) => each[measure] - starts[base][index][measure])));
  const plain = (measure) => rounded(median(starts.plain.map((each) => each[measure])));
  return {
    startMs: plain('startMs'),
    addedStartMs: added('startMs', 'plain'),
    addedStartWithPeersMs: added('startMs', 'peers'),
    rssMiB: plain('rssMiB'),
    addedRssMiB: added('rssMiB', 'plain'),
    addedRssWithPeersMiB: added('rssMiB', 'peers'),
  };
}

/** Processor time of a request with the module in relation to one without. */
async function compareRoutes(servers, rounds, seconds) {
  const ratios = [];
  for (let round = -1; round < rounds; round++) {
    const costs = [];
    for (const index of round % 2 ? [1, 0] : [0, 1]) costs[index] = await costOfPing(servers[index], seconds / 2);
    if (round >= 0) ratios.push(costs[1] / costs[0]);
  }
  for (const server of servers) await server.stop();
  return { otherRoutesCpuRatio: rounded(median(ratios)) };
}

async function costOfPing(server, seconds) {
  const tickets = Array.from({ length: seconds * 30_000 }, () => getRequest('/ping'));
  const before = await server.ask('usage');
  const { requests } = await burst({ port: server.port, tickets, inFlight: 8, seconds, expected: 200 });
  return ((await server.ask('usage')).processorMs - before.processorMs) / requests;
}
