/**
 * Whether the migrations make exactly the tables that the entities describe, asked of TypeORM's own command
 * line on a new database of each kind. A server that does not answer is skipped and named, and with
 * `MFA_TEST_REQUIRE_ALL=1` a failure.
 */
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { emptyFolder, must, root, run } from './packing.mjs';

const name = `mfa_drift_${process.pid}`;
const folder = emptyFolder('drift');
const require = createRequire(import.meta.url);
const typeorm = join(root, 'node_modules/typeorm/cli.js');
const tsc = require.resolve('typescript/bin/tsc');

async function onPostgres(statement) {
  const client = new pg.Client({ host: '127.0.0.1', user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function onMariadb(statement) {
  const connection = await mysql.createConnection({ host: '127.0.0.1', user: 'root' });
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}

const DATABASES = [
  { kind: 'sqlite', url: `sqlite:${join(folder, 'drift.sqlite')}`, administer: async () => {} },
  { kind: 'postgres', port: 5432, url: `postgres://postgres@127.0.0.1:5432/${name}`, administer: onPostgres },
  { kind: 'mariadb', port: 3306, url: `mariadb://root@127.0.0.1:3306/${name}`, administer: onMariadb },
];

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 2_000 });
    const finish = (result) => () => (socket.destroy(), resolve(result));
    socket.once('connect', finish(true)).once('error', finish(false)).once('timeout', finish(false));
  });
}

/** What is wrong on this database, or `null`. */
async function check({ url, administer }) {
  const cli = (command, ...args) => [typeorm, command, ...args, '-d', 'dist/ormconfig.js'];
  const options = { cwd: root, env: { ...process.env, DATABASE_URL: url } };
  const drift = () => run(process.execPath, cli('migration:generate', '--check', join(folder, 'drift')), options);
  await administer(`CREATE DATABASE ${name}`);
  try {
    // On an empty database everything is missing: a check that is content with that checks nothing.
    if (!(await drift()).output.includes('CREATE TABLE')) return 'the check says nothing about missing tables';
    await must(process.execPath, cli('migration:run'), options);
    const { code, output } = await drift();
    if (code !== 0) return output;
    await must(process.execPath, cli('migration:revert'), options);
    return null;
  } finally {
    await administer(`DROP DATABASE ${name}`);
  }
}

await must('npm', ['run', 'build:library'], { cwd: root });
await must(process.execPath, [tsc, '-p', 'tsconfig.ormconfig.json'], { cwd: root });
for (const database of DATABASES) {
  if (database.port && !(await answers(database.port))) {
    console.log(`drift ${database.kind}: skipped, nothing answers on 127.0.0.1:${database.port}`);
    if (process.env.MFA_TEST_REQUIRE_ALL === '1') process.exitCode = 1;
    continue;
  }
  const problem = await check(database).catch((error) => error.message);
  console.log(`drift ${database.kind}: ${problem ?? 'none'}`);
  if (problem !== null) process.exitCode = 1;
}
rmSync(folder, { recursive: true, force: true });
