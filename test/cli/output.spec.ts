import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { HostFolder } from '../support/command-line.js';
import { createDatabase, openMfaDataSource, type TestDatabase } from '../support/databases.js';

/** As of `openssl rand -hex 32`, beginning with a letter. */
const SECRET = `c${randomBytes(32).toString('hex').slice(1)}`;

describe('what the command line prints', () => {
  let folder: HostFolder;
  let database: TestDatabase;
  let dataSource: DataSource;
  let file: string;

  beforeAll(() => {
    folder = new HostFolder();
  });
  afterAll(() => folder.remove());
  beforeEach(async () => {
    database = await createDatabase('sqlite');
    dataSource = await openMfaDataSource(database);
    file = folder.writeDataSource(database);
  });
  afterEach(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it.each([
    ['keys.json', `{ "keys": [{ "id": "k1", "secret": ${SECRET} }] }`],
    ['keys.mjs', `export const keys = [{ id: 'k1', secret: ${SECRET} }];`],
  ])('S64 a key whose quotes are forgotten in %s is not shown', async (name, text) => {
    folder.write(name, text);
    const { code, out, err } = await folder.run(['keys', 'status', '-d', file, '--keys', name]);
    expect(code).toBe(2);
    const pieces = Array.from({ length: SECRET.length - 7 }, (_, at) => SECRET.slice(at, at + 8));
    expect(pieces.filter((piece) => (out + err).includes(piece))).toEqual([]);
  });

  it('S62 --json is JSON also where the DataSource of the host logs its statements', async () => {
    const options = { ...database.options, logging: true };
    const logging = folder.writeDataSource({ options } as never, 'logging.mjs');
    const { code, out } = await folder.run(['keys', 'status', '-d', logging, '--json'], {
      env: { MFA_KEYS: `k1:${randomBytes(32).toString('base64')}` },
    });
    expect(code).toBe(0);
    expect(() => JSON.parse(out) as unknown).not.toThrow();
  });
});
