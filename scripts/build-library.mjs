/**
 * Builds the library twice, ESM and CommonJS, each with declarations and source maps. The result
 * replaces `dist` in one move, so that nobody who reads it meanwhile sees half a build.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleEntries } from './bundle-entries.mjs';

const library = fileURLToPath(new URL('../libs/mfa', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
// Beside `dist`, so that the paths inside the source maps stay true after the move.
const staging = join(library, `.dist-${process.pid}`);

/** One compilation; `0` when it succeeded. */
function compile({ folder, type, config }) {
  const outDir = join(staging, folder);
  mkdirSync(outDir, { recursive: true });
  writeFileSync(join(outDir, 'package.json'), `{ "type": "${type}" }\n`);
  return new Promise((resolve) => {
    const args = [tsc, '-p', join(library, config), '--outDir', outDir];
    spawn(process.execPath, args, { stdio: 'inherit' }).once('close', resolve);
  });
}

const codes = await Promise.all([
  compile({ folder: 'esm', type: 'module', config: 'tsconfig.build.json' }),
  compile({ folder: 'cjs', type: 'commonjs', config: 'tsconfig.build.cjs.json' }),
]);
const failed = codes.some((code) => code !== 0);
if (!failed) {
  await bundleEntries(join(staging, 'esm'), ['index', 'import', 'migrations', 'openapi', 'testing', 'cli']);
  const dist = join(library, 'dist');
  const replaced = `${staging}-replaced`;
  try {
    if (existsSync(dist)) renameSync(dist, replaced);
    renameSync(staging, dist);
  } catch {
    cpSync(staging, dist, { recursive: true }); // another build got in between
  }
  rmSync(replaced, { recursive: true, force: true });
}
rmSync(staging, { recursive: true, force: true });
process.exitCode = failed ? 1 : 0;
