/** One burst with everything that is measured around it. */
import { burst } from './load/burst.mjs';
import { SCENARIOS } from './variants/names.mjs';

/** More tickets than the last burst of its kind used, so that a burst hardly ever ends early. */
const MARGIN = 1.4;
const FIRST_RATE = 1_200;

/** Measures bursts of the variants `{ name, server, tickets }`. */
export class Meter {
  #rates = new Map();

  constructor(cluster) {
    this.cluster = cluster;
  }

  /** Throughput, latencies in ms, and processor time in ms a request of the server and of the database. */
  async measure({ name, server, tickets }, { scenario, inFlight, seconds }) {
    const kind = `${name} ${scenario} ${inFlight}`;
    const rate = this.#rates.get(kind) ?? FIRST_RATE / (scenario.startsWith('backup') ? 12 : 1);
    const batch = await tickets[scenario](Math.ceil(rate * seconds * MARGIN) + inFlight);
    const before = await this.#clocks(server);
    const { expected } = SCENARIOS[scenario];
    const result = await burst({ port: server.port, tickets: batch, inFlight, seconds, expected });
    const after = await this.#clocks(server);
    this.#rates.set(kind, result.throughput);
    const perRequest = (clock) => (before[clock] === null ? null : (after[clock] - before[clock]) / result.requests);
    const { requests, throughput, p50, p99 } = result;
    return {
      ...{ requests, throughput, p50, p99 },
      serverCpuMs: perRequest('server'),
      databaseCpuMs: perRequest('database'),
      rssMiB: after.rss / 2 ** 20,
    };
  }

  /** Statements of one request, counted while nothing is timed. */
  async countStatements({ server, tickets }, scenario) {
    const [ticket] = await tickets[scenario](1);
    await server.ask('countStatements');
    const { expected } = SCENARIOS[scenario];
    await burst({ port: server.port, tickets: [ticket], inFlight: 1, seconds: 10, expected });
    return server.ask('statementCounts');
  }

  async #clocks(server) {
    const { processorMs, rss } = await server.ask('usage');
    return { server: processorMs, database: this.cluster.processorMs(), rss };
  }
}
