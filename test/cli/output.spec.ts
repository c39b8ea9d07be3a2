import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { eachOnSqlite } from '../support/command-line-host.js';

/** As of `openssl rand -hex 32`, beginning with a letter. */
const SECRET = `c${randomBytes(32).toString('hex').slice(1)}`;

describe('what the command line prints', () => {
  const host = eachOnSqlite();

  it.each([
    ['keys.json', `{ "keys": [{ "id": "k1", "secret": ${SECRET} }] }`],
    ['keys.mjs', `export const keys = [{ id: 'k1', secret: ${SECRET} }];`],
  ])('S64 a key whose quotes are forgotten in %s is not shown', async (name, text) => {
    host.folder.write(name, text);
    const { code, out, err } = await host.folder.run(['keys', 'status', '-d', host.file, '--keys', name]);
    expect(code).toBe(2);
    const pieces = Array.from({ length: SECRET.length - 7 }, (_, at) => SECRET.slice(at, at + 8));
    expect(pieces.filter((piece) => (out + err).includes(piece))).toEqual([]);
  });

  it('S62 --json is JSON also where the DataSource of the host logs its statements', async () => {
    const options = { ...host.database.options, logging: true };
    const logging = host.folder.writeDataSource({ options } as never, 'logging.mjs');
    const { code, out } = await host.folder.run(['keys', 'status', '-d', logging, '--json'], {
      env: { MFA_KEYS: `k1:${randomBytes(32).toString('base64')}` },
    });
    expect(code).toBe(0);
    expect(() => JSON.parse(out) as unknown).not.toThrow();
  });
});
