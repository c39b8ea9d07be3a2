/**
 * Packs the library and installs the tarball into copies of the applications in `test/hosts`, outside the
 * repository: type-checks, builds, tests and boots each one. `npm run test:hosts [-- name…]`.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFolder, must, packLibrary, root, run } from './packing.mjs';

const hosts = join(root, 'test/hosts');
const wanted = process.argv.slice(2);
const names = readdirSync(hosts).filter((name) => name !== 'shared' && (wanted.length === 0 || wanted.includes(name)));

/** Both Jest and Vitest write this report. */
function counts(report) {
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests: passed, numTotalTests: total, success } = JSON.parse(readFileSync(report, 'utf8'));
  return { passed, failed: success ? total - passed : Math.max(1, total - passed) };
}

function prepare(name, folder) {
  cpSync(join(hosts, name), folder, { recursive: true });
  for (const file of readdirSync(join(hosts, 'shared'))) {
    cpSync(join(hosts, 'shared', file), join(folder, file.endsWith('.mjs') ? '.' : 'src', file));
  }
}

/** Everything that a developer would do with the package, in one host. */
async function tryOut(name, tarball) {
  const cwd = emptyFolder(name);
  const report = join(cwd, 'report.json');
  try {
    prepare(name, cwd);
    await must('npm', ['install', '--no-audit', '--no-fund', '--save', tarball], { cwd });
    await must('npm', ['run', 'types'], { cwd });
    await must('npm', ['run', 'build'], { cwd });
    const jest = readFileSync(join(cwd, 'package.json'), 'utf8').includes('"test": "jest"');
    const reporting = jest ? ['--json'] : ['--reporter=default', '--reporter=json'];
    const test = await run('npm', ['test', '--', ...reporting, `--outputFile=${report}`], { cwd });
    const { passed, failed } = counts(report);
    if (test.code !== 0) return { name, passed, failed, output: test.output };
    await must('node', ['boot.mjs', 'one'], { cwd });
    await must('node', ['boot.mjs', 'two'], { cwd });
    await must('npx', ['typeorm', 'migration:run', '-d', 'data-source.mjs'], { cwd });
    const env = { ...process.env, MFA_KEYS: `k1:${randomBytes(32).toString('base64')}` };
    for (const verb of ['status', 'rotate', 'verify']) {
      await must('npx', ['nestjs-mfa', 'keys', verb, '-d', 'data-source.mjs'], { cwd, env });
    }
    return { name, passed, failed, output: '' };
  } catch (error) {
    return { name, passed: 0, failed: 1, output: error.message };
  } finally {
    if (!process.env.KEEP_HOSTS) rmSync(cwd, { recursive: true, force: true });
    else console.log(`${name} is kept in ${cwd}`);
  }
}

const packed = emptyFolder('packed');
const tarball = await packLibrary(packed);
const results = await Promise.all(names.map((name) => tryOut(name, tarball)));
rmSync(packed, { recursive: true, force: true });

for (const { name, passed, failed, output } of results) {
  if (output) console.log(output);
  const rest = failed ? '' : '; types, build, boot, refusal of two builds at once, command line';
  console.log(`host ${name}: ${passed} passed, ${failed} failed${rest}`);
}
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
mkdirSync(join(root, 'reports'), { recursive: true });
writeFileSync(join(root, 'reports/hosts.json'), JSON.stringify({ passed: sum('passed'), failed: sum('failed') }));
process.exitCode = sum('failed') > 0 || results.length === 0 ? 1 : 0;
