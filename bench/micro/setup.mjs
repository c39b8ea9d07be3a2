/** P7: processor time of a setup, both QR codes included. */
import { median, rounded } from '../load/statistics.mjs';
import { startServer } from '../servers/server-process.mjs';

const SETUPS = 20;

export async function measureSetup({ cluster, key, rounds }) {
  const databaseUrl = await cluster.createDatabase('setups');
  const server = await startServer('library', { adapter: 'fastify', databaseUrl, poolSize: 10, key });
  const times = [];
  for (let round = -2; round < rounds; round++) {
    const cpuMs = await server.ask('timeSetups', { from: (round + 2) * SETUPS, count: SETUPS });
    if (round >= 0) times.push(cpuMs);
  }
  await server.stop();
  return { cpuMs: rounded(median(times)) };
}
