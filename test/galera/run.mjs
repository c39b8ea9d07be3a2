/**
 * A user's factors are changed on one node of a Galera cluster, and at once a code is spent on another one under the
 * security stamp that was just replaced. No such spending may be accepted. Outside of CI:
 * `apt-get install mariadb-server galera-4 rsync`, `node test/galera/run.mjs [rounds]`.
 */
import 'reflect-metadata';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import mysql from 'mysql2/promise';
import { DataSource } from 'typeorm';
import { portOf, startCluster } from './cluster.mjs';

// The stores are internal: the build of the package has them only within its bundle.
const library = fileURLToPath(new URL('../../libs/mfa', import.meta.url));
const compiled = join(library, `.dist-galera-${process.pid}`);
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
execFileSync(process.execPath, [tsc, '-p', join(library, 'tsconfig.build.json'), '--outDir', compiled]);
writeFileSync(join(compiled, 'package.json'), '{ "type": "module" }');
process.once('exit', () => rmSync(compiled, { recursive: true, force: true }));
const persistence = (name) => import(join(compiled, 'persistence', name));
const { MFA_ENTITIES } = await persistence('entities/index.js');
const { rememberGalera } = await persistence('galera.js');
const { MFA_MIGRATIONS } = await persistence('migrations/index.js');
const { TypeOrmAccountStore, TypeOrmUsageStore } = await persistence('stores/index.js');

const ROUNDS = Number(process.argv[2] ?? 60);
const NOW = Date.now();

async function onNode(node, statement) {
  const connection = await mysql.createConnection({ host: '127.0.0.1', port: portOf(node), user: 'root' });
  await connection.query(statement);
  await connection.end();
}

async function open(node, syncWait) {
  await onNode(node, `SET GLOBAL wsrep_sync_wait = ${Number(syncWait)}`);
  const source = new DataSource({
    type: 'mariadb',
    host: '127.0.0.1',
    port: portOf(node),
    username: 'root',
    database: 'mfa',
    entities: MFA_ENTITIES,
    migrations: MFA_MIGRATIONS,
  });
  return source.initialize();
}

/** How many of the rounds accepted a code under a stamp that had been replaced, and how many wrongly refused one. */
async function race(syncWait, certified) {
  const [one, two] = [await open(1, syncWait), await open(2, syncWait)];
  for (const source of [one, two]) {
    if (!certified) rememberGalera(source, []);
  }
  const [accounts, elsewhere] = [new TypeOrmAccountStore(one), new TypeOrmAccountStore(two)];
  const usage = new TypeOrmUsageStore(two);
  const counts = { faults: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round += 1) {
    const userId = `${syncWait}-${certified}-${round}`;
    const entry = (item) => ({ kind: 'totp', item, expiresAtMs: NOW + 60_000 });
    await accounts.open(userId, NOW);
    let known = null;
    while (known === null) known = await elsewhere.load(userId);
    const spending = { userId, securityStamp: NOW, nowMs: NOW };
    if (!(await usage.spend({ ...spending, entries: [entry('before')] }))) counts.refused += 1;

    let { version } = known.account;
    while (!(await accounts.commit(userId, version, { securityStamp: NOW + 1 }))) {
      ({ version } = (await accounts.load(userId)).account);
    }
    if (await usage.spend({ ...spending, entries: [entry('after')] })) counts.faults += 1;
  }
  await Promise.all([one.destroy(), two.destroy()]);
  return counts;
}

const cluster = await startCluster();
try {
  await onNode(1, 'CREATE DATABASE mfa');
  const first = await open(1, 7);
  await first.runMigrations();
  await first.destroy();
  for (const certified of [false, true]) {
    for (const syncWait of [0, 1, 7]) {
      const { faults, refused } = await race(syncWait, certified);
      const way = certified ? 'as on Galera    ' : 'as on one server';
      console.log(`${way}  wsrep_sync_wait=${syncWait}: ${faults} of ${ROUNDS} accepted, ${refused} wrongly refused`);
      if (certified && faults + refused > 0) process.exitCode = 1;
    }
  }
} finally {
  await cluster.stop();
}
