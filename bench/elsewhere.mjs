/** The library on MariaDB and SQLite. They have their own table, because nothing else was measured on them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { removeInTheEnd } from './interruption.mjs';
import { libraryElsewhere } from './variants/library.mjs';

const IN_FLIGHT = 8;
const USERS = 8_000;
const MEASURED = ['totpRight', 'totpWrong', 'passkeyRight'];

/** One entry a database: `{ label, statements, rows }`, or `{ label, skipped, rows: [] }`. */
export async function measureElsewhere(context) {
  const measured = [];
  for (const open of [openMariadb, openSqlite]) {
    const database = await open(context);
    context.progress.say(`measuring on ${database.label}`);
    measured.push(database.skipped ? { ...database, rows: [] } : await measureOn(database, context));
  }
  return measured;
}

async function measureOn({ label, url, drop }, { meter, rounds, seconds, scenarios, ...context }) {
  try {
    const variant = { name: 'fastify', ...(await libraryElsewhere({ ...context, users: USERS, databaseUrl: url })) };
    const statements = {};
    const rows = [];
    for (const scenario of MEASURED.filter((each) => scenarios.includes(each))) {
      statements[scenario] = await meter.countStatements(variant, scenario);
      for (let round = -1; round < rounds; round++) {
        const measured = await meter.measure(variant, { scenario, inFlight: IN_FLIGHT, seconds });
        // The cluster's processor time says nothing here; the first round warms up.
        if (round >= 0)
          rows.push({ variant: 'fastify', scenario, inFlight: IN_FLIGHT, round, ...measured, databaseCpuMs: null });
      }
    }
    await variant.server.stop();
    return { label, statements, rows };
  } finally {
    await drop();
  }
}

/** A new database on a running MariaDB. */
export async function openMariadb({ mariadbUrl }) {
  const name = `mfa_bench_${process.pid}`;
  const administer = async (statement) => {
    const connection = await mysql.createConnection(mariadbUrl);
    try {
      return await connection.query(statement);
    } finally {
      await connection.end();
    }
  };
  try {
    await administer(`CREATE DATABASE ${name}`);
    const [[{ version }]] = await administer('SELECT version() AS version');
    const url = Object.assign(new URL(mariadbUrl), { pathname: `/${name}` }).href;
    const label = `nestjs-mfa on MariaDB ${version.split('-')[0]}, Fastify`;
    return { label, url, drop: removeInTheEnd(() => administer(`DROP DATABASE IF EXISTS ${name}`)) };
  } catch (error) {
    return { label: 'nestjs-mfa on MariaDB', skipped: `it does not answer (${error.code ?? error.message})` };
  }
}

/** A new file, with a write-ahead log. */
export function openSqlite() {
  const folder = mkdtempSync(join(tmpdir(), 'nestjs-mfa-bench-sqlite-'));
  const drop = removeInTheEnd(() => rmSync(folder, { recursive: true, force: true }));
  return { label: 'nestjs-mfa on SQLite, Fastify', url: `sqlite:${join(folder, 'bench.sqlite')}`, drop };
}
