/**
 * Builds the library: tsc once, and from its ES modules two bundles, ESM and CommonJS, each with its declarations. The
 * result replaces `dist` in one move, so that nobody reads half a build.
 *
 *   node scripts/build-library.mjs [--source-maps]
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleDeclarations } from './bundle-declarations.mjs';
import { bundleEntries } from './bundle-entries.mjs';

const library = fileURLToPath(new URL('../libs/mfa', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const sourcemap = process.argv.includes('--source-maps');
// In the folder of `dist`, so that the paths inside the source maps are true after the move.
const staging = join(library, `.dist-${process.pid}`);
const modules = join(staging, 'modules');

/** The entry points that `package.json` exports. */
const { exports } = JSON.parse(readFileSync(join(library, 'package.json'), 'utf8'));
const entries = Object.keys(exports)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => (path === '.' ? 'index' : path.slice('./'.length)));

function compile() {
  const maps = ['--sourceMap', '--inlineSources'].flatMap((option) => [option, String(sourcemap)]);
  const args = [tsc, '-p', join(library, 'tsconfig.build.json'), '--outDir', modules, '--noEmitHelpers', ...maps];
  return spawnSync(process.execPath, args, { stdio: 'inherit' }).status === 0;
}

/** `index`, and so every class of the library, is one file in each build. */
async function bundle({ format, type, more = [] }) {
  const to = join(staging, format);
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, 'package.json'), `{ "type": "${type}" }\n`);
  await bundleEntries({ from: modules, to, entries: [...entries, ...more], format, sourcemap });
  bundleDeclarations({ from: modules, to, entries });
}

function replaceDist() {
  rmSync(modules, { recursive: true });
  const dist = join(library, 'dist');
  const replaced = `${staging}-replaced`;
  try {
    if (existsSync(dist)) renameSync(dist, replaced);
    renameSync(staging, dist);
  } catch {
    cpSync(staging, dist, { recursive: true }); // another build came in between
  }
  rmSync(replaced, { recursive: true, force: true });
}

try {
  if (compile()) {
    await bundle({ format: 'esm', type: 'module', more: ['cli'] });
    await bundle({ format: 'cjs', type: 'commonjs' });
    replaceDist();
  } else {
    process.exitCode = 1;
  }
} finally {
  rmSync(staging, { recursive: true, force: true });
}
