/** What will be published, checked as it will be: publint, are-the-types-wrong, and the list of files. */
import { rmSync } from 'node:fs';
import { emptyFolder, must, packLibrary, root } from './packing.mjs';

const REQUIRED = ['LICENSE', 'README.md', 'package.json'].concat(
  ['index', 'import', 'migrations', 'openapi', 'testing'].flatMap((entry) =>
    ['esm', 'cjs'].flatMap((format) => ['js', 'd.ts'].map((end) => `dist/${format}/${entry}.${end}`)),
  ),
  ['dist/esm/index.js.map', 'dist/cjs/index.js.map', 'dist/esm/cli.js'],
);

/** Files that a package must not carry. */
const STRAY = /\.(spec|contract)\.|\.tsbuildinfo$|(^|\/)(src|node_modules)\//;

const folder = emptyFolder('package');
try {
  const tarball = await packLibrary(folder);
  const files = (await must('tar', ['-tzf', tarball])).split('\n').map((line) => line.replace(/^package\//, ''));
  const missing = REQUIRED.filter((file) => !files.includes(file));
  const stray = files.filter((file) => STRAY.test(file));
  if (missing.length > 0) throw new Error(`the package lacks ${missing.join(', ')}`);
  if (stray.length > 0) throw new Error(`the package carries ${stray.join(', ')}`);
  console.log(`${files.length - 1} files in the package`);
  console.log(await must('npx', ['publint', tarball, '--strict'], { cwd: root }));
  console.log(await must('npx', ['attw', tarball, '--format', 'ascii'], { cwd: root }));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
