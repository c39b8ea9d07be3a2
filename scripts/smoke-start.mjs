/** `npm start` as a newcomer runs it: builds, serves the page, and leaves cleanly when told to. */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { emptyFolder, root } from './packing.mjs';

const DATA_DIR = emptyFolder('start');
const env = { ...process.env, PORT: '0', DATA_DIR };
const child = spawn('npm', ['start'], { cwd: root, env, stdio: ['ignore', 'pipe', 'inherit'] });
// Standard output closes when the application itself has ended, even where npm or its shell went before it.
const ended = new Promise((resolve) => child.stdout.once('close', () => resolve('ended')));
const patience = (seconds, outcome) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000, outcome).unref());

/** Where the demo says that it listens. */
const url = await new Promise((resolve) => {
  let output = '';
  child.stdout.on('data', (chunk) => {
    process.stdout.write(chunk);
    output += chunk;
    const [said] = /http:\/\/localhost:\d+/.exec(output) ?? [];
    if (said) resolve(said);
  });
  void Promise.race([ended, patience(120)]).then(() => resolve(null));
});

const problems = [];
if (url === null) problems.push('it does not listen');
else {
  for (const path of ['/', '/docs']) {
    const { status } = await fetch(url + path);
    if (status !== 200) problems.push(`GET ${path} answers ${status}`);
  }
}
child.kill('SIGTERM'); // as a service manager does: npm alone is told
if ((await Promise.race([ended, patience(10, 'still running')])) !== 'ended') problems.push('SIGTERM does not end it');
rmSync(DATA_DIR, { recursive: true, force: true });
console.log(problems.length > 0 ? `npm start: ${problems.join('; ')}` : 'npm start: serves, and ends when told');
process.exit(problems.length > 0 ? 1 : 0);
