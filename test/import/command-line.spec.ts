import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { HostFolder } from '../support/command-line.js';
import { createDatabase, openMfaDataSource, type TestDatabase } from '../support/databases.js';

const KEY = { id: 'k2', secret: randomBytes(32).toString('base64') };

describe('the command line of an import', () => {
  let folder: HostFolder;
  let database: TestDatabase;
  let dataSource: DataSource;
  let file: string;
  let number = 0;

  beforeAll(() => {
    folder = new HostFolder();
  });
  afterAll(() => folder.remove());
  beforeEach(async () => {
    database = await createDatabase('sqlite');
    dataSource = await openMfaDataSource(database);
    file = folder.writeDataSource(database, `data-source-${(number += 1)}.mjs`);
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('S62 the report of an earlier run is not emptied by a run that could not begin', async () => {
    folder.write(
      'plan.mjs',
      `export default { from: { table: 'nowhere', columns: { userId: 'id', secret: 's', enabled: 'e' } } };`,
    );
    folder.write('import.json', '{"of":"yesterday"}');
    const { code } = await folder.runHere(['import', 'plan.mjs', '-d', file, '--apply', '--report', 'import.json'], {
      MFA_KEYS: `${KEY.id}:${KEY.secret}`,
    });
    expect(code).toBe(2);
    expect(readFileSync(join(folder.path, 'import.json'), 'utf8')).toBe('{"of":"yesterday"}');
  });
});
