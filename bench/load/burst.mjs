/** A burst: so many requests in flight for so long, each answer checked. */
import { Connection } from './connection.mjs';
import { percentile } from './statistics.mjs';

/**
 * Sends `tickets` (each once) with `inFlight` connections until `seconds` have passed, `until()` says so, or none is left.
 * An answer whose status is not `expected` ends the run: a fast refusal is not a result.
 */
export async function burst({ port, tickets, inFlight, seconds, expected, until = () => false }) {
  const connections = await Promise.all(Array.from({ length: inFlight }, () => Connection.open(port)));
  const latencies = [];
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1_000;
  let next = 0;
  const worker = async (connection) => {
    while (next < tickets.length) {
      const sentAt = performance.now();
      if (sentAt >= endsAt || until()) return;
      const { status, body } = await connection.send(tickets[next++]);
      latencies.push(performance.now() - sentAt);
      if (status !== expected) throw new Error(`expected ${expected}, was answered ${status}: ${body.slice(0, 300)}`);
    }
  };
  try {
    await Promise.all(connections.map(worker));
  } finally {
    connections.forEach((connection) => connection.close());
  }
  const elapsed = (performance.now() - startedAt) / 1_000;
  latencies.sort((a, b) => a - b);
  return {
    requests: latencies.length,
    seconds: elapsed,
    throughput: latencies.length / elapsed,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
  };
}
