import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { createTable, formerly } from '../import/source-tables.js';
import { HostFolder } from '../support/command-line.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

const env = { MFA_KEYS: `k1:${randomBytes(32).toString('base64')}` };

const MEANWHILE = 'one that initializes itself meanwhile';
/** How hosts write the file, besides a bare `export default new DataSource(…)`. */
const FILES = {
  'an initialized DataSource': 'await ds.initialize(); export default ds;',
  'the promise of one': 'export default ds.initialize();',
  [MEANWHILE]: 'void ds.initialize(); export default ds;',
  'one that ends the process when its own initialization fails':
    'ds.initialize().catch(() => process.exit(7)); export { ds as AppDataSource };',
  'a DataSource and its promise': 'export default ds; export const ready = ds.initialize();',
  'one that something else closes': 'void ds.initialize().then(() => ds.destroy()); export default ds;',
};

const BROKEN = {
  'one whose own initialization fails': 'void broken.initialize(); export default broken;',
  'one beside a promise that is rejected': `void Promise.reject(new Error('no cache')); export default ds;`,
  'one that keeps the process alive': 'setInterval(() => undefined, 1000); export default ds;',
};

const folder = new HostFolder();
let number = 0;

/** `ds` runs a migration that takes a while; the entities of `broken` cannot be loaded. */
function writeFile({ options }: TestDatabase, exporting: string): string {
  const { driver, ...rest } = options as unknown as Record<string, unknown>;
  const more = driver === undefined ? '' : 'driver: Libsql,';
  return folder.write(
    `self-${(number += 1)}.mjs`,
    `import Libsql from 'libsql';
     import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
     import { DataSource } from 'typeorm';
     class Slow1764000000001 {
       async up(runner) {
         await new Promise((resolve) => setTimeout(resolve, 700));
         await runner.query('SELECT 1');
       }
       async down() {}
     }
     const options = { ...${JSON.stringify(rest)}, ${more} };
     const ds = new DataSource({ ...options, migrations: [Slow1764000000001], migrationsRun: true });
     const broken = new DataSource({ ...options, migrations: [class Unnumbered { up() {} }], migrationsRun: true });
     const creating = new DataSource({ ...options, migrations: [...MFA_MIGRATIONS], migrationsRun: true });
     ${exporting}`,
  );
}

beforeAll(() => {
  folder.write(
    'plan.mjs',
    `export default { from: { table: 'people', columns: { userId: 'id', secret: 'secret', enabled: 'enabled' } } };`,
  );
});
afterAll(() => folder.remove());

describe.each(testDatabases)('a data source file on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeEach(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    await formerly(database, (old) =>
      createTable(old, 'people', { id: 'VARCHAR(20)', secret: 'TEXT', enabled: 'BOOLEAN' }, [
        ['ada', 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ', true],
      ]),
    );
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  // A process each takes a second: the server databases run one of them.
  const files = Object.entries(FILES).filter(([name]) => kind === 'sqlite' || name === MEANWHILE);
  it.each(files)('S62 may export %s: a good run of every command exits with 0', async (_, exporting) => {
    const file = writeFile(database, exporting);
    const dryRun = await folder.run(['import', 'plan.mjs', '-d', file], { env });
    expect(dryRun).toMatchObject({ code: 0, out: expect.stringContaining('users         1 of 1') });
    expect(dryRun.err).not.toContain('Warning');
    expect(await folder.run(['keys', 'verify', '-d', file], { env })).toMatchObject({ code: 0 });
  });

  const broken = Object.entries(BROKEN).slice(kind === 'sqlite' ? 0 : 2);
  it.each(broken)('S62 may export %s: the exit code is the command’s', async (_, exporting) => {
    const file = writeFile(database, exporting);
    const applied = await folder.run(['import', 'plan.mjs', '-d', file, '--apply'], { env });
    expect(applied).toMatchObject({ code: 0, out: expect.stringContaining('users         1 of 1') });
  });

  it('S62 waits for tables that the file itself creates', async () => {
    const empty = await createDatabase(kind);
    try {
      await formerly(empty, (old) => createTable(old, 'people', { id: 'TEXT', secret: 'TEXT', enabled: 'BOOLEAN' }));
      const file = writeFile(empty, 'void creating.initialize(); export default creating;');
      expect(await folder.run(['import', 'plan.mjs', '-d', file, '--apply'], { env })).toMatchObject({ code: 0 });
    } finally {
      await empty.drop();
    }
  });

  it('S62 an exported promise that is rejected is exit code 2, with the reason of the database', async () => {
    const file = writeFile(database, 'export default broken.initialize();');
    const result = await folder.run(['import', 'plan.mjs', '-d', file, '--apply'], { env });
    expect(result).toMatchObject({ code: 2, err: expect.stringMatching(/was rejected: .*Unnumbered/) });
  });
});
