import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPlan } from '../../libs/mfa/src/import/read-plan.js';
import { createPythonTables, formerly, PYTHON_PLAN, pythonUser, service } from '../import/source-tables.js';
import { Client } from '../support/client.js';
import { testServers } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { codeFiles, read, tableRows } from './markdown.js';

const PAGE = read('docs/guides/migrating.md');

describe.skipIf(!testServers.includes('postgres'))('fernet.sql of docs/guides/migrating.md', () => {
  let host: HostApp;
  beforeAll(async () => {
    const fernet = { keys: [{ secretKey: service.secretKey }], until: '2027-06-01' };
    host = await startHostApp({ database: 'postgres', options: { fernet } });
    await formerly(host.database, async (old) => {
      await createPythonTables(old);
      await old.query(codeFiles(PAGE, 'sql').get('fernet.sql')!);
    });
  });
  afterAll(() => host.close());

  it('moves tokens as they are: the same app signs in, once a code', async () => {
    const ada = new Client(host, 'ada');
    const { totp } = pythonUser('ada');
    expect((await ada.verify(await ada.login(), totp['0'])).status).toBe(200);
    expect((await ada.verify(await ada.login(), totp['0'])).status).toBe(401);
    expect((await ada.verify(await ada.login(), totp['1'])).status).toBe(200);
  });

  it('leaves those alone who had not confirmed', async () => {
    const answer = await new Client(host, 'carol').loginAnswer().expect(201);
    expect(answer.body).not.toHaveProperty('mfa_token');
  });
});

describe('the plan of docs/guides/migrating.md', () => {
  const [, section = ''] = /<!-- plan -->(.*)<!-- \/plan -->/s.exec(PAGE) ?? [];
  const rows = tableRows(section);

  it('has the defaults that apply', () => {
    const { encoding, totp, name, backupCodes, usage } = readPlan(PYTHON_PLAN);
    const [, , sha1] = rows.find(([field]) => field === '`totp`')!;
    expect(sha1).toBe(`${totp.algorithm}, ${totp.digits}, ${totp.periodSeconds}`);
    const written = (field: string) => rows.find(([first]) => first === `\`${field}\``)?.[2];
    expect(written('secret.encoding')).toBe(`\`'${encoding}'\``);
    expect(written('name')).toBe(`\`'${name}'\``);
    expect(written('usage.unit')).toBe(`\`'${usage!.unit}'\``);
    expect([backupCodes!.spelling, written('backupCodes.hashedOver')]).toEqual(['hyphenated', "`'XXXX-XXXX'`"]);
  });

  it('names no field that is unknown', () => {
    const names = rows
      .slice(1)
      .flatMap(([cell = '']) => [...cell.matchAll(/`(?!…)([A-Za-z]+)/g)].map(([, name]) => name));
    expect(new Set(names)).toEqual(new Set(['from', 'secret', 'totp', 'name', 'backupCodes', 'usage']));
  });
});
