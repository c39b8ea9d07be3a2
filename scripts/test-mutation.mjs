/**
 * Mutation tests of the rooms that decide who gets in, by the unit tests beside the sources: every change that Stryker
 * makes to a source must turn a test red. `npm run test:mutation [-- room or path below libs/mfa/src…]`; all
 * rooms when none is named. Installs Stryker into `test/mutation` the first time.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const home = join(root, 'test/mutation');
const stryker = join(home, 'node_modules/@stryker-mutator/core/bin/stryker.js');
const sources = 'libs/mfa/src';
const ROOMS = ['domain', 'guard', 'challenge', 'verification', 'devices'];

function run(command, args, cwd) {
  const { status } = spawnSync(command, args, { cwd, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** What to mutate of a room, a folder or a file. */
function patternsOf(name) {
  const path = join(root, sources, name);
  if (!existsSync(path)) throw new Error(`there is no ${sources}/${name}; rooms are ${ROOMS.join(', ')}`);
  return statSync(path).isDirectory() ? `${sources}/${name}/**/*.ts` : `${sources}/${name}`;
}

const named = process.argv.slice(2);
const mutate = (named.length > 0 ? named : ROOMS).map(patternsOf);
if (!existsSync(stryker)) run('npm', ['ci', '--no-audit', '--no-fund'], home);
run(
  process.execPath,
  [stryker, 'run', join(home, 'stryker.config.mjs'), '--mutate', [...mutate, '!**/*.spec.ts'].join()],
  root,
);
