#!/usr/bin/env node
import { run } from './cli/run.js';

const stop = new AbortController();
// Once: a second Ctrl-C ends the process at once, which is safe too.
process.once('SIGINT', () => stop.abort());

void run(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  interactive: process.stderr.isTTY,
  env: process.env,
  cwd: process.cwd(),
  interrupted: stop.signal,
}).then((code) => {
  process.exitCode = code;
});
