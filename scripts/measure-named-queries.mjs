/**
 * Measures what named queries buy on PostgreSQL: reserving and spending one TOTP code, with names and without, in turns.
 * Run it: `node scripts/measure-named-queries.mjs [postgres URL of a database for tests]`. It makes a database of its
 * own and drops it.
 */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import 'reflect-metadata';
import { DataSource } from 'typeorm';

const ROUNDS = 12;
const VERIFICATIONS = 150;
const url = new URL(process.argv[2] ?? 'postgres://postgres@127.0.0.1:5432/postgres');
const require = createRequire(import.meta.url);
const library = fileURLToPath(new URL('../libs/mfa', import.meta.url));
const compiled = join(library, `.named-${process.pid}`);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** One verification: both statements, as `ProofVerifier` sends them. */
async function verify(store, { userId, id, policy }, step) {
  const nowMs = Date.now();
  const { snapshot, reserved } = await store.reserveAttempt({
    userId,
    budget: 'totp',
    rows: 'authenticators',
    digits: 6,
    policy,
    nowMs,
  });
  const entries = [{ kind: 'totp', item: `${id}:${step}`, expiresAtMs: nowMs + 60_000 }];
  const { securityStamp } = snapshot.account;
  const completion = {
    userId,
    securityStamp,
    entries,
    budget: 'totp',
    use: { rows: 'authenticators', id: id },
    policy,
    nowMs,
  };
  if (!reserved || !(await store.spendAndSettle(completion))) throw new Error('a verification was refused');
}

async function measure(dataSource) {
  const load = (path) => require(join(compiled, path));
  const { PostgresVerificationStore } = load('persistence/postgres/postgres-verification.store.js');
  const { sendPlain } = load('persistence/statements/statement-runner.js');
  const { TypeOrmAccountStore, TypeOrmAuthenticatorStore } = load('persistence/stores/index.js');
  const { DEFAULT_ATTEMPT_POLICY: policy } = load('domain/attempts/attempt-budget.js');
  const [userId, id, nowMs] = ['ada', randomUUID(), Date.now()];
  await new TypeOrmAuthenticatorStore(dataSource).add({
    ...{ id, userId, name: 'phone', secret: 'x', algorithm: 'SHA1', digits: 6, periodSeconds: 30, createdAtMs: nowMs },
    ...{ confirmedAtMs: nowMs, lastUsedAtMs: null, expiresAtMs: null, setupBinding: null },
  });
  const accounts = new TypeOrmAccountStore(dataSource);
  await accounts.open(userId, nowMs);
  await accounts.commit(userId, nowMs, { activeFactors: [{ type: 'totp', id }] });
  const named = new PostgresVerificationStore(dataSource);
  const plain = new PostgresVerificationStore(dataSource);
  plain.statements.send = sendPlain;
  const times = { named: [], plain: [] };
  let step = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, store] of Object.entries({ named, plain })) {
      const begun = performance.now();
      for (let n = 0; n < VERIFICATIONS; n++) await verify(store, { userId, id, policy }, (step += 1));
      // The first round warms up.
      if (round > 0) times[name].push((performance.now() - begun) / VERIFICATIONS);
    }
  }
  return { named: median(times.named), plain: median(times.plain) };
}

const database = `mfa_named_${process.pid}`;
const admin = await new DataSource({ type: 'postgres', url: url.href }).initialize();
try {
  const tsc = require.resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(library, 'tsconfig.build.cjs.json'), '--outDir', compiled]);
  writeFileSync(join(compiled, 'package.json'), '{ "type": "commonjs" }\n');
  await admin.query(`CREATE DATABASE ${database}`);
  const { MFA_ENTITIES } = require(join(compiled, 'persistence/entities/index.js'));
  const { MFA_MIGRATIONS } = require(join(compiled, 'migrations.js'));
  url.pathname = `/${database}`;
  const dataSource = await new DataSource({
    ...{ type: 'postgres', url: url.href, entities: MFA_ENTITIES, migrations: MFA_MIGRATIONS, migrationsRun: true },
    extra: { options: '-c synchronous_commit=off' }, // the disk is not what is measured
  }).initialize();
  const { named, plain } = await measure(dataSource);
  await dataSource.destroy();
  console.log(
    `with names ${named.toFixed(2)} ms a verification, without ${plain.toFixed(2)} ms: ${(plain / named).toFixed(2)} times`,
  );
} finally {
  await admin.query(`DROP DATABASE IF EXISTS ${database}`);
  await admin.destroy();
  rmSync(compiled, { recursive: true, force: true });
}
