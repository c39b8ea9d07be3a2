/** What will be published, checked as it will be: the list of files, its size, its links, publint, are-the-types-wrong. */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { isDead } from './packed-links.mjs';
import { emptyFolder, must, packLibrary, root } from './packing.mjs';

const { exports } = JSON.parse(readFileSync(join(root, 'libs/mfa/package.json'), 'utf8'));
const REQUIRED = ['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json', 'dist/esm/cli.js'].concat(
  Object.values(exports)
    .flatMap((entry) => [entry.import, entry.require].filter(Boolean))
    .flatMap(({ types, default: code }) => [types, code].map((path) => path.slice('./'.length))),
);
const MOST_FILES = 150;
const MOST_BYTES = 1.5 * 1024 * 1024;

/** Files that a package must not carry. */
const STRAY = /\.(spec|contract)\.|\.tsbuildinfo$|\.map$|(^|\/)(src|node_modules)\/|shared\/.*\.d\.ts$/;

function checkFiles(folder, files) {
  const missing = REQUIRED.filter((file) => !files.includes(file));
  const stray = files.filter((file) => STRAY.test(file));
  const bytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  if (missing.length > 0) throw new Error(`the package lacks ${missing.join(', ')}`);
  if (stray.length > 0) throw new Error(`the package carries ${stray.join(', ')}`);
  if (files.length > MOST_FILES) throw new Error(`the package has ${files.length} files, more than ${MOST_FILES}`);
  if (bytes > MOST_BYTES) throw new Error(`the package has ${bytes} bytes unpacked, more than ${MOST_BYTES}`);
  console.log(`${files.length} files in the package, ${Math.round(bytes / 1024)} KiB`);
}

/** Every link of the packed pages is an anchor or absolute, and what it names in this repository is there. */
function checkLinks(folder) {
  const dead = ['README.md', 'CHANGELOG.md'].flatMap((page) => {
    const prose = readFileSync(join(folder, page), 'utf8').replace(/^```.*?^```$/gms, '');
    const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
    return targets.filter(isDead).map((target) => `${page}: ${target}`);
  });
  if (dead.length > 0) throw new Error(`dead links in the package: ${dead.join(', ')}`);
}

const folder = emptyFolder('package');
try {
  const tarball = await packLibrary(folder);
  await must('tar', ['-xzf', tarball, '-C', folder]);
  const files = (await must('tar', ['-tzf', tarball]))
    .trim()
    .split('\n')
    .map((line) => line.replace(/^package\//, ''));
  checkFiles(join(folder, 'package'), files);
  checkLinks(join(folder, 'package'));
  console.log(await must('npx', ['publint', tarball, '--strict'], { cwd: root }));
  console.log(await must('npx', ['attw', tarball, '--format', 'ascii'], { cwd: root }));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
