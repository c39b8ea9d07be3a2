import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eachOnSqlite } from '../support/command-line-host.js';

const KEY = { id: 'k2', secret: randomBytes(32).toString('base64') };

describe('the command line of an import', () => {
  const host = eachOnSqlite();

  it('S62 the report of an earlier run is not emptied by a run that could not begin', async () => {
    host.folder.write(
      'plan.mjs',
      `export default { from: { table: 'nowhere', columns: { userId: 'id', secret: 's', enabled: 'e' } } };`,
    );
    host.folder.write('import.json', '{"of":"yesterday"}');
    const { code } = await host.folder.runHere(
      ['import', 'plan.mjs', '-d', host.file, '--apply', '--report', 'import.json'],
      {
        MFA_KEYS: `${KEY.id}:${KEY.secret}`,
      },
    );
    expect(code).toBe(2);
    expect(readFileSync(join(host.folder.path, 'import.json'), 'utf8')).toBe('{"of":"yesterday"}');
  });
});
