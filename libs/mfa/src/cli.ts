#!/usr/bin/env node
import { whereItFailed } from './cli/module-file.js';
import { run } from './cli/run.js';

const stop = new AbortController();
// Once: a second Ctrl-C ends the process at once, which is safe too.
process.once('SIGINT', () => stop.abort());

// A rejection in code that a file of the host started and does not await is not a failure of the command.
process.on('unhandledRejection', (reason) => {
  process.stderr.write(`Warning: a promise that nothing waited for was rejected: ${whereItFailed(reason)}\n`);
});

const flushed = (stream: NodeJS.WriteStream) => new Promise<void>((resolve) => stream.write('', () => resolve()));

void run(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  interactive: process.stderr.isTTY,
  env: process.env,
  cwd: process.cwd(),
  interrupted: stop.signal,
}).then(async (code) => {
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  // Connections and timers of the host's files would keep the process alive.
  process.exit(code);
});
