/**
 * Packs the library and installs the tarball into copies of the applications in `test/hosts`, outside the
 * repository: type-checks, builds, tests and boots each one. `npm run test:hosts [-- name…]`.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { emptyFolder, must, packLibrary, root, run } from './packing.mjs';

const hosts = join(root, 'test/hosts');
const folders = readdirSync(hosts).filter((name) => name !== 'shared');
/** `jwt@11` is the host `jwt` with the packages of Nest 11. Any host of Nest 12 can be named so. */
const VARIANTS = ['jwt@11', 'session@11', 'graphql@11'];
const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : [...folders, ...VARIANTS];

/** Hosts that are installed and tested at the same time. */
const AT_ONCE = 2;

/** What goes with Nest 11 instead of 12. */
const NEST_11 = { '^14.0.0': '^13.0.0', '^12.0.1': '^11.0.1', '^12.0.0': '^11.0.0' };

/** Both Jest and Vitest write this report. */
function counts(report) {
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests: passed, numTotalTests: total, success } = JSON.parse(readFileSync(report, 'utf8'));
  return { passed, failed: success ? total - passed : Math.max(1, total - passed) };
}

/** A whole life cycle, or a sign-in and what else is tried with the package. */
const livesThrough = (name) => existsSync(join(hosts, name, 'src/life-cycle.spec.ts'));

function prepare(host, nest, folder) {
  cpSync(join(hosts, host), folder, { recursive: true });
  for (const from of [join(hosts, 'shared'), join(hosts, 'shared', livesThrough(host) ? 'life-cycle' : 'sign-in')]) {
    for (const { name: file } of readdirSync(from, { withFileTypes: true }).filter((entry) => entry.isFile())) {
      cpSync(join(from, file), join(folder, file.endsWith('.mjs') ? '.' : 'src', file));
    }
  }
  if (nest !== '11') return;
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const packages of [manifest.dependencies, manifest.devDependencies]) {
    for (const [name, range] of Object.entries(packages)) {
      if (name.startsWith('@nestjs/')) packages[name] = NEST_11[range] ?? range;
    }
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 2));
}

/** What is the same for every sign-in host: compiled, booted and used from the command line. */
async function tryCommands(cwd) {
  await must('npm', ['run', 'build'], { cwd });
  await must('node', ['boot.mjs', 'one'], { cwd });
  await must('node', ['boot.mjs', 'two'], { cwd });
  await must('node', ['passkey-peer.mjs'], { cwd });
  await must('npx', ['typeorm', 'migration:run', '-d', 'data-source.mjs'], { cwd });
  const env = { ...process.env, MFA_KEYS: `k1:${randomBytes(32).toString('base64')}` };
  for (const verb of ['status', 'rotate', 'verify']) {
    await must('npx', ['nestjs-mfa', 'keys', verb, '-d', 'data-source.mjs'], { cwd, env });
  }
}

/** Everything that a developer would do with the package, in one host. */
async function tryOut(name, tarball) {
  const [host, nest] = name.split('@');
  const cwd = emptyFolder(name);
  const report = join(cwd, 'report.json');
  try {
    prepare(host, nest, cwd);
    await must('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', '--save', tarball], { cwd });
    await must('npm', ['run', 'types'], { cwd });
    const jest = readFileSync(join(cwd, 'package.json'), 'utf8').includes('"test": "jest"');
    const reporting = jest ? ['--json'] : ['--reporter=default', '--reporter=json'];
    const test = await run('npm', ['test', '--', ...reporting, `--outputFile=${report}`], { cwd });
    const { passed, failed } = counts(report);
    // An error outside every test fails the run, and the report does not count it.
    if (test.code !== 0) return { name, passed, failed: Math.max(1, failed), output: test.output };
    if (!livesThrough(host)) await tryCommands(cwd);
    return { name, passed, failed, output: '' };
  } catch (error) {
    return { name, passed: 0, failed: 1, output: error.message };
  } finally {
    if (!process.env.KEEP_HOSTS) rmSync(cwd, { recursive: true, force: true });
    else console.log(`${name} is kept in ${cwd}`);
  }
}

/** Tries the hosts, some at a time. */
async function tryAll(tarball) {
  const waiting = [...names];
  const results = [];
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      results.push(await tryOut(name, tarball));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

const packed = emptyFolder('packed');
const tarball = await packLibrary(packed);
const results = await tryAll(tarball);
rmSync(packed, { recursive: true, force: true });

for (const { name, passed, failed, output } of results) {
  if (output) console.log(output);
  const more = livesThrough(name.split('@')[0])
    ? ''
    : ', build, boot, refusal of two builds at once, with and without the peer of passkeys, command line';
  const rest = failed ? '' : `; types${more}`;
  console.log(`host ${name}: ${passed} passed, ${failed} failed${rest}`);
}
const sum = (key) => results.reduce((total, result) => total + result[key], 0);
mkdirSync(join(root, 'reports'), { recursive: true });
writeFileSync(join(root, 'reports/hosts.json'), JSON.stringify({ passed: sum('passed'), failed: sum('failed') }));
process.exitCode = sum('failed') > 0 || results.length === 0 ? 1 : 0;
