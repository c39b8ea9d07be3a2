/** A private PostgreSQL cluster with default durability, in a temporary folder on a free loopback port. */
import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { clusterProcessorMs } from './processor-time.mjs';

/**
 * The cluster to measure on: a private one, or with `url` (of a superuser) a running one, whose processor time is
 * unknown. Call `stop()` in the end; it removes whatever was made.
 */
export async function openCluster(url) {
  return url ? givenCluster(url) : privateCluster();
}

async function privateCluster() {
  const bin = findBinaries();
  const owner = ownerOfCluster();
  const folder = mkdtempSync(join(tmpdir(), 'nestjs-mfa-bench-pg-'));
  chownSync(folder, owner.uid, owner.gid);
  const data = join(folder, 'data');
  const as = { ...owner, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] };
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'], as);
  const port = await freePort();
  const postmaster = spawn(join(bin, 'postgres'), ['-D', data, '-p', port, '-h', '127.0.0.1', '-k', folder], as);
  const log = [];
  for (const stream of [postmaster.stdout, postmaster.stderr]) stream.on('data', (text) => log.push(String(text)));
  const ended = new Promise((resolve) => postmaster.once('exit', resolve));
  const stop = async () => {
    postmaster.kill('SIGINT'); // "fast": rolls back and ends
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    return await describe(`postgres://postgres@127.0.0.1:${port}/postgres`, {
      stop,
      processorMs: () => clusterProcessorMs(postmaster.pid),
      takeLog: () => log.splice(0).join(''),
    });
  } catch (error) {
    await stop();
    throw new Error(`the private cluster did not start: ${error.message}\n${log.join('').slice(-2_000)}`);
  }
}

/** Databases made on a cluster that is not ours are dropped again. */
async function givenCluster(url) {
  const made = [];
  const cluster = await describe(url, {
    processorMs: () => null,
    stop: async () => {
      for (const name of made) await administer(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  });
  const { createDatabase } = cluster;
  const prefix = `mfa_bench_${process.pid}_`;
  cluster.createDatabase = (name, template) => {
    made.push(prefix + name);
    return createDatabase(prefix + name, template && prefix + template);
  };
  return cluster;
}

async function describe(url, { stop, processorMs, takeLog = () => '' }) {
  await untilReady(url);
  const [{ server_version: version }] = await administer(url, 'SHOW server_version');
  const urls = [];
  const urlOf = (name) => Object.assign(new URL(url), { pathname: `/${name}` }).href;
  return {
    version: version.split(' ')[0],
    stop,
    /** Milliseconds of processor time so far; `null` where it cannot be known. */
    processorMs,
    /** What the server logged since the last call. */
    takeLog,
    /** Answers the URL of a new database, a copy of `template` where given (nobody may be connected to that). */
    async createDatabase(name, template) {
      await administer(url, `CREATE DATABASE ${name}${template ? ` TEMPLATE ${template}` : ''}`);
      urls.push(urlOf(name));
      return urlOf(name);
    },
    /** Statistics for the planner and an empty write-ahead log: what a database that runs for long has anyway. */
    async settle() {
      for (const each of urls) await administer(each, 'VACUUM ANALYZE');
      await administer(url, 'CHECKPOINT');
    },
  };
}

/** One statement on a connection of its own; answers the rows. */
export async function administer(url, statement, values) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement, values)).rows;
  } finally {
    await client.end();
  }
}

async function untilReady(url) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await administer(url, 'SELECT 1');
    } catch (error) {
      if (attempt === 100) throw error;
      await sleep(100);
    }
  }
}

function findBinaries() {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(base, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
  if (found) return found;
  throw new Error('PostgreSQL is not installed under /usr/lib/postgresql: install it, or give --database-url');
}

/** PostgreSQL refuses to run as root. */
function ownerOfCluster() {
  if (process.getuid() !== 0) return { uid: process.getuid(), gid: process.getgid() };
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (kind) => Number(execFileSync('id', [kind, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      continue;
    }
  }
  throw new Error('run the benchmark as an ordinary user: root may not run PostgreSQL');
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
