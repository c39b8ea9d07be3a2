import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const config = join(root, '.dependency-cruiser.cjs');
const { forbidden } = createRequire(import.meta.url)(config) as { forbidden: { name: string }[] };

interface Violation {
  rule: { name: string };
  from: string;
  to: string;
}

/** Every violation in the folders of `house`, as `rule: from → to`. What `npm run arrows` runs. */
async function violations(house: string, ...folders: string[]): Promise<string[]> {
  return cruise(config, house, folders);
}

/** The same by another configuration. */
async function cruise(rules: string, house: string, folders: string[]): Promise<string[]> {
  const cli = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [cli, '--config', rules, '--output-type', 'json', ...folders];
  const output = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { cwd: house, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      if (stdout === '') reject(new Error(stderr, { cause: error }));
      else resolve(stdout); // violations are an exit code too
    });
  });
  const { summary } = JSON.parse(output) as { summary: { violations: Violation[] } };
  return summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
}

const src = 'libs/mfa/src';
const FOLDERS = ['libs', 'apps', 'ormconfig.ts'];

/** A small house in which every import is allowed: what the breaches are planted into. */
const HOUSE: Record<string, string> = {
  [`${src}/index.ts`]: `export * from './mfa.module.js'; export * from './cleanup/sweep.js';`,
  [`${src}/import.ts`]: `export * from './import/run.js'; export * from './persistence/import-rows.js';`,
  [`${src}/migrations.ts`]: `export * from './persistence/migrations/one.js';`,
  [`${src}/openapi.ts`]: `import './http/dto.js';`,
  [`${src}/testing.ts`]: `export * from './testing/fakes.js';`,
  [`${src}/mfa.module.ts`]: `import '@nestjs/typeorm'; import './persistence/stores/store.js'; import './http/dto.js'; import './cleanup/sweep.js'; export const wiring = 1;`,
  [`${src}/domain/thing.ts`]: `import 'node:crypto'; import 'otpauth'; export const thing = 1;`,
  [`${src}/challenge/issue.ts`]: `import '@nestjs/common'; import '../domain/thing.js'; export const issue = 1;`,
  [`${src}/import/run.ts`]: `import '../domain/thing.js'; export const run = 1;`,
  [`${src}/persistence/entities/row.entity.ts`]: `import 'typeorm'; export const row = 1;`,
  [`${src}/persistence/stores/store.ts`]: `import '@nestjs/typeorm'; import '../entities/row.entity.js'; export const store = 1;`,
  [`${src}/persistence/import-rows.ts`]: `import type {} from '../import/run.js'; export const rows = 1;`,
  [`${src}/persistence/migrations/one.ts`]: `import 'typeorm'; export const one = 1;`,
  [`${src}/cleanup/sweep.ts`]: `import type {} from '@nestjs/schedule'; export const sweep = () => import('@nestjs/schedule');`,
  [`${src}/http/dto.ts`]: `import 'class-validator/cjs/container.js'; export const dto = () => import('./dto/body.js');`,
  [`${src}/factors/passkey/passkey-ceremonies.ts`]: `export const library = () => import('@simplewebauthn/server');`,
  [`${src}/http/dto/body.ts`]: `import 'class-validator'; export const body = 1;`,
  [`${src}/cli.ts`]: `import './cli/run.js';`,
  [`${src}/cli/run.ts`]: `import '../persistence/stores/store.js'; export const run = 1;`,
  [`${src}/testing/fakes.ts`]: `import '../challenge/issue.js'; export const fakes = 1;`,
  'apps/demo/src/main.ts': `import 'nestjs-mfa'; import 'nestjs-mfa/migrations';`,
  'ormconfig.ts': `import 'nestjs-mfa/migrations';`,
};

/** rule → [file, its source, expected target]: each is planted and must be found, by that rule. */
const BREACHES: [rule: string, file: string, source: string, to: string][] = [
  ['no-cycles', `${src}/domain/hen.ts`, `import './egg.js'; export {};`, 'domain/egg.ts'],
  ['no-cycles', `${src}/domain/egg.ts`, `import type {} from './hen.js'; export {};`, 'domain/hen.ts'],
  ['resolvable', `${src}/guard/lost.ts`, `import './nowhere.js';`, './nowhere.js'],
  ['domain-is-pure', `${src}/domain/nest.ts`, `import '@nestjs/common';`, '@nestjs/common'],
  ['domain-is-pure', `${src}/domain/orm.ts`, `import type { DataSource } from 'typeorm';`, 'typeorm'],
  ['domain-is-pure', `${src}/domain/up.ts`, `import '../challenge/issue.js';`, 'challenge/issue.ts'],
  ['typeorm-in-persistence', `${src}/guard/orm.ts`, `import type { DataSource } from 'typeorm';`, 'typeorm'],
  ['nest-typeorm-in-persistence', `${src}/factors/totp/orm.ts`, `import '@nestjs/typeorm';`, '@nestjs/typeorm'],
  ['schedule-in-cleanup', `${src}/options/cron.ts`, `import '@nestjs/schedule';`, '@nestjs/schedule'],
  ['validation-in-http', `${src}/enrollment/dto.ts`, `import 'class-validator';`, 'class-validator'],
  ['validation-in-http', `${src}/enrollment/map.ts`, `import 'class-transformer';`, 'class-transformer'],
  ['lazily-loaded', `${src}/http/eager.ts`, `import 'class-validator';`, 'class-validator'],
  ['lazily-loaded', `${src}/http/bodies.ts`, `import './dto/body.js';`, 'http/dto/body.ts'],
  ['lazily-loaded', `${src}/cleanup/cron.ts`, `import '@nestjs/schedule';`, '@nestjs/schedule'],
  ['lazily-loaded', `${src}/domain/totp/draw.ts`, `import 'qrcode';`, 'qrcode'],
  [
    'lazily-loaded',
    `${src}/factors/passkey/passkey-ceremonies.ts`,
    `import '@simplewebauthn/server';`,
    '@simplewebauthn',
  ],
  [
    'webauthn-in-ceremonies',
    `${src}/factors/passkey/types.ts`,
    `import type {} from '@simplewebauthn/server';`,
    '@simplewebauthn/server',
  ],
  [
    'webauthn-in-ceremonies',
    `${src}/factors/passkey/late.ts`,
    `export const late = () => import('@simplewebauthn/server');`,
    '@simplewebauthn/server',
  ],
  ['swagger-nowhere', `${src}/http/api.ts`, `import '@nestjs/swagger';`, '@nestjs/swagger'],
  ['migrations-without-nest', `${src}/migrations.ts`, `import './persistence/stores/store.js';`, '@nestjs/typeorm'],
  ['declared-dependencies', `${src}/http/tool.ts`, `import 'prettier';`, 'prettier'],
  ['nobody-imports-http', `${src}/challenge/edge.ts`, `import '../http/dto.js';`, 'http/dto.ts'],
  ['nobody-imports-cleanup', `${src}/verification/sweep.ts`, `import '../cleanup/sweep.js';`, 'cleanup/sweep.ts'],
  ['nobody-imports-testing', `${src}/verification/fake.ts`, `import '../testing/fakes.js';`, 'testing/fakes.ts'],
  ['nobody-imports-cli', `${src}/keys/shell.ts`, `import '../cli/run.js';`, 'cli/run.ts'],
  ['flow-sees-ports', `${src}/verification/row.ts`, `import '../persistence/entities/row.entity.js';`, 'row.entity.ts'],
  ['persistence-below-the-flow', `${src}/persistence/stores/up.ts`, `import '../../challenge/issue.js';`, 'issue.ts'],
  [
    'import-beside-the-flow',
    `${src}/import/up.ts`,
    `import '../challenge/issue.js'; import '../domain/for-import.js';`,
    'challenge/issue.ts',
  ],
  ['nobody-imports-import', `${src}/options/all.ts`, `import '../import/run.js';`, 'import/run.ts'],
  ['core-without-import', `${src}/index.ts`, `import './options/all.js';`, 'import/run.ts'],
  ['domain-serves-the-flow', `${src}/domain/for-import.ts`, `export const only = 1;`, 'domain/for-import.ts'],
  [
    'migrations-without-entities',
    `${src}/persistence/migrations/two.ts`,
    `import '../entities/row.entity.js';`,
    'row.entity.ts',
  ],
  ['nobody-imports-the-doors', `${src}/events/door.ts`, `import '../migrations.js';`, 'migrations.ts'],
  ['hosts-use-entry-points', 'apps/demo/src/deep.ts', `import '../../../${src}/domain/thing.js';`, 'domain/thing.ts'],
  ['hosts-use-entry-points', 'apps/demo/src/path.ts', `import '../../../${src}/index.js';`, 'src/index.ts'],
  ['hosts-use-entry-points', 'test/e2e/deep.spec.ts', `import '../../${src}/challenge/issue.js';`, 'issue.ts'],
  [
    'hosts-use-entry-points',
    'apps/demo/src/dist.ts',
    `import 'nestjs-mfa/dist/esm/index.js';`,
    'nestjs-mfa/dist/esm/index.js',
  ],
];

/** A house in a folder of its own, with this workspace's packages. */
function build(files: Record<string, string>): string {
  const house = mkdtempSync(join(tmpdir(), 'arrows-'));
  for (const [file, source] of Object.entries(files)) {
    mkdirSync(dirname(join(house, file)), { recursive: true });
    writeFileSync(join(house, file), source);
  }
  for (const file of ['tsconfig.json', 'package.json', 'libs/mfa/package.json'])
    cpSync(join(root, file), join(house, file));
  symlinkSync(join(root, 'node_modules'), join(house, 'node_modules'));
  return house;
}

describe('the import rules between the rooms', () => {
  const houses: string[] = [];
  let found: string[] = [];

  beforeAll(async () => {
    const planted = Object.fromEntries(BREACHES.map(([, file, source]) => [file, source]));
    houses.push(build(HOUSE), build({ ...HOUSE, ...planted }));
    found = await violations(houses[1]!, ...FOLDERS, 'test');
  });
  afterAll(() => houses.forEach((house) => rmSync(house, { recursive: true, force: true })));

  it('hold for the source tree', async () => {
    expect(await violations(root, ...FOLDERS, 'test')).toEqual([]);
  });

  it('accept a tree in which every room keeps to the rules', async () => {
    expect(await violations(houses[0]!, ...FOLDERS)).toEqual([]);
  });

  it.each(BREACHES)('include %s, which finds the breach planted in %s', (rule, file, _source, to) => {
    const about = found.filter((line) => line.startsWith(`${rule}: `) && line.includes(file));
    expect(about.filter((line) => line.includes(to))).not.toEqual([]);
  });

  it('are each proved by a planted breach', () => {
    expect(forbidden.map(({ name }) => name).filter((name) => !BREACHES.some(([rule]) => rule === name))).toEqual([]);
  });
});

describe('the rooms', () => {
  const rooms = join(root, '.dependency-cruiser.rooms.cjs');
  const houses: string[] = [];
  const cyclesIn = (house: string) => cruise(rooms, house, ['libs']);
  const breachedBy = (files: Record<string, string>) => {
    houses.push(build({ ...HOUSE, ...files }));
    return cyclesIn(houses.at(-1)!);
  };
  afterAll(() => houses.forEach((house) => rmSync(house, { recursive: true, force: true })));

  it('do not import each other in the tree as it is', async () => {
    expect(await cyclesIn(root)).toEqual([]);
  });

  it('may all be imported in one direction', async () => {
    expect(await breachedBy({})).toEqual([]);
  });

  it('are found when two of them import each other through different files, by types alone', async () => {
    const found = await breachedBy({
      [`${src}/host/hook.ts`]: `import type {} from '../events/event.js'; export const hook = 1;`,
      [`${src}/host/access.ts`]: `export const access = 1;`,
      [`${src}/events/event.ts`]: `export interface Event { type: string }`,
      [`${src}/events/emit.ts`]: `import type {} from '../host/access.js'; export const emit = 1;`,
    });
    expect(found).toContain(`no-room-cycles: ${src}/host → ${src}/events`);
  });

  it('are found below persistence and domain, too', async () => {
    const found = await breachedBy({
      [`${src}/domain/accounts/account.ts`]: `import type {} from '../usage/usage.js'; export const account = 1;`,
      [`${src}/domain/usage/usage.ts`]: `export const usage = 1;`,
      [`${src}/domain/usage/store.ts`]: `import '../accounts/row.js'; export const store = 1;`,
      [`${src}/domain/accounts/row.ts`]: `export const row = 1;`,
    });
    expect(found).toContain(`no-room-cycles: ${src}/domain/accounts → ${src}/domain/usage`);
  });
});
