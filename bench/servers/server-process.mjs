/** The parent's side of `child.mjs`. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OWN_SERVERS = fileURLToPath(new URL('.', import.meta.url));
const running = new Set();

/** Starts `servers/<module>.mjs` in a process of its own; with `servers`, from that folder of another checkout. */
export async function startServer(module, config, { execArgv = [], env = {}, servers = OWN_SERVERS } = {}) {
  const child = fork(join(servers, 'child.mjs'), {
    execArgv,
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  running.add(child);
  const conversation = converse(child, module);
  const { port } = await conversation.ask('start', { module, config });
  return {
    port,
    pid: child.pid,
    ask: conversation.ask,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.connected) child.disconnect();
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}

/** Ends whatever is still running. */
export function stopServers() {
  for (const child of running) child.kill('SIGKILL');
}

function converse(child, module) {
  const pending = new Map();
  let said = '';
  let last = 0;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said = (said + text).slice(-4_000)));
  child.on('message', ({ id, output, error }) => {
    const { resolve, reject } = pending.get(id);
    pending.delete(id);
    if (error === undefined) resolve(output);
    else reject(new Error(`${module}: ${error}\n${said}`));
  });
  child.once('exit', (code) => {
    running.delete(child);
    for (const { reject } of pending.values()) reject(new Error(`${module} ended (${code})\n${said}`));
  });
  const ask = (command, input) =>
    new Promise((resolve, reject) => {
      pending.set(++last, { resolve, reject });
      child.send({ id: last, command, input }, (error) => error && reject(error));
    });
  return { ask };
}
