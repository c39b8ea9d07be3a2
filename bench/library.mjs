/** Puts the library as it is built now into `node_modules`, where it finds the benchmark's Nest and TypeORM. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const library = join(root, 'libs/mfa');
const installed = fileURLToPath(new URL('./node_modules/nestjs-mfa', import.meta.url));

/** Builds the library (the workspace must be installed) and copies what its package holds. */
export function installLibrary() {
  if (!existsSync(join(root, 'node_modules/typescript'))) {
    throw new Error('the library cannot be built: run `npm ci` in the root of the repository first');
  }
  execFileSync(process.execPath, [join(root, 'scripts/build-library.mjs'), '--source-maps'], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  rmSync(installed, { recursive: true, force: true });
  for (const part of ['package.json', 'dist']) cpSync(join(library, part), join(installed, part), { recursive: true });
  requireDependencies();
}

function requireDependencies() {
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const { resolve } = createRequire(join(installed, 'package.json'));
  for (const name of Object.keys(dependencies)) {
    try {
      resolve(name);
    } catch {
      throw new Error(`the library depends on ${name}: add it to bench/package.json and install`);
    }
  }
}

/** Compiles the library's sources file by file: the package has only bundles. Returns the URL of one of them. */
export function libraryFile(path) {
  const compiled = join(installed, 'modules');
  if (!existsSync(compiled)) {
    const tsc = createRequire(join(root, 'package.json')).resolve('typescript/bin/tsc');
    execFileSync(process.execPath, [tsc, '-p', join(library, 'tsconfig.build.json'), '--outDir', compiled]);
  }
  return pathToFileURL(join(compiled, path)).href;
}
