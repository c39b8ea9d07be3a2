import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const SOURCES = ['libs/mfa/src', 'apps/demo/src', 'libs/mfa/tsconfig.build.json', 'libs/mfa/package.json'];
const PRODUCTS = ['libs/mfa/dist/esm/cli.js', 'libs/mfa/dist/cjs/index.js', 'apps/demo/dist/main.js'];

/** When the file, or the newest one in the folder, was written; 0 when it is not there. */
function writtenAt(path: string): number {
  const known = statSync(path, { throwIfNoEntry: false });
  if (!known?.isDirectory()) return known?.mtimeMs ?? 0;
  return Math.max(...readdirSync(path).map((name) => writtenAt(join(path, name))));
}

/** Global setup of the projects that run library and demo as they are built: compiles them unless that was done already. */
export default function setup(): void {
  const sources = SOURCES.map((path) => writtenAt(join(root, path)));
  const products = PRODUCTS.map((path) => writtenAt(join(root, path)));
  if (Math.min(...products) > Math.max(...sources)) return;
  const built = spawnSync('npm', ['run', 'build'], { cwd: root, encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`);
}
