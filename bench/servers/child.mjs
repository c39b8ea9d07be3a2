/**
 * The process of one measured server: starts the module that it is told, and answers the commands of the parent.
 * A module exports `start(config)`, which answers `{ port, commands? }`.
 */
import { startProfile, stopProfile } from './profiler.mjs';
import { countStatements, statementCounts } from './query-log.mjs';

let commands = {
  async start({ module, config }) {
    const { port, commands: more = {} } = await (await import(`./${module}.mjs`)).start(config);
    commands = { ...commands, ...more };
    return { port };
  },
  /** Milliseconds of processor time since the start, and bytes in memory. */
  usage() {
    const { user, system } = process.cpuUsage();
    return { processorMs: (user + system) / 1_000, rss: process.memoryUsage().rss };
  },
  countStatements,
  statementCounts,
  startProfile,
  stopProfile,
};

async function obey({ id, command, input }) {
  try {
    process.send({ id, output: await commands[command](input) });
  } catch (error) {
    process.send({ id, error: error.stack ?? String(error) });
  }
}

process.on('message', (message) => void obey(message));
process.on('SIGINT', () => {}); // reaches the whole group; the parent cleans up
process.on('disconnect', () => process.exit(0));
