import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { MfaImportReport } from '../../libs/mfa/src/import/import-report.js';
import { ReportFile } from '../../libs/mfa/src/cli/report-file.js';
import type { Terminal } from '../../libs/mfa/src/cli/terminal.js';
import { createTable, formerly } from '../import/source-tables.js';
import { eachOnSqlite } from '../support/command-line-host.js';

const SECRET = 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ';
const env = { MFA_KEYS: `k1:${randomBytes(32).toString('base64')}` };
const PLAN = `export default { from: { table: 'people', columns: { userId: 'id', secret: 's', enabled: 'e' } } };`;

describe('the report of an import', () => {
  const host = eachOnSqlite();
  const at = (file: string) => join(host.folder.path, file);
  const reportIn = (file: string) => JSON.parse(readFileSync(at(file), 'utf8')) as MfaImportReport;

  async function people(values: string): Promise<void> {
    host.folder.write('plan.mjs', PLAN);
    await formerly(host.database, async (old) => {
      await createTable(old, 'people', { id: 'VARCHAR(20)', s: 'TEXT', e: 'BOOLEAN' });
      await old.query(`INSERT INTO people VALUES ${values}`);
    });
  }
  const importing = (...more: string[]) => ['import', 'plan.mjs', '-d', host.file, '--apply', ...more];

  it('S62 can be read after the process was killed, and the next run goes on', async () => {
    await people(Array.from({ length: 1_200 }, (_, i) => `('u${i}', '${SECRET}', 1)`).join());
    const words = importing('--report', 'killed.json');
    const killed = await host.folder.run(words, {
      env,
      onProgress: (_, _interrupt, kill) => {
        if (existsSync(at('killed.json')) && reportIn('killed.json').users.read > 0) kill();
      },
    });
    expect(killed).toMatchObject({ code: null, out: '' });
    const { users, ...report } = reportIn('killed.json');
    expect(report).toMatchObject({ applied: true, finished: false, ok: false });
    expect(users.imported).toBe(users.read);
    const rows: unknown[] = await host.dataSource.query(`SELECT 1 FROM mfa_account WHERE active_ids <> ''`);
    expect(users.imported).toBeGreaterThan(0);
    expect(rows.length).toBeGreaterThanOrEqual(users.imported);

    expect(await host.folder.run(words, { env })).toMatchObject({ code: 0 });
    const again = reportIn('killed.json');
    expect(again).toMatchObject({ finished: true, ok: true, users: { skipped: { 'already-imported': rows.length } } });
    expect(readdirSync(host.folder.path).filter((name) => name.includes('.part'))).toEqual([]);
  });

  it('S62 lists bad rows first and marks them, and earlier runs are no bad rows', async () => {
    await people(`('ada', '${SECRET}', 1), ('bob', 'not!base32', 1), ('carol', '${SECRET}', 0)`);
    await host.folder.runHere(importing(), env);
    const { code, out } = await host.folder.runHere(importing('--report', 'again.json'), env);
    expect(code).toBe(1);
    expect(reportIn('again.json').skipped).toEqual([
      { what: 'user', userId: 'bob', reason: 'secret-malformed', bad: true },
      { what: 'user', userId: 'ada', reason: 'already-imported', bad: false },
      { what: 'user', userId: 'carol', reason: 'not-enabled', bad: false },
    ]);
    expect(out).toMatch(/1 bad: secret-malformed .*\n.*1 left out|1 left out: already-imported/);
    expect(out).toContain('1 of the skipped rows are bad.');
  });

  it('S62 an import that is done prints that, although its report cannot be written any more', async () => {
    const errors: string[] = [];
    const terminal = { cwd: host.folder.path, err: (text: string) => void errors.push(text) } as Terminal;
    mkdirSync(at('folder'));
    const file = new ReportFile('folder/report.json', terminal);
    await file.check();
    writeFileSync(at('elsewhere.json'), 'old');
    mkdirSync(at('folder/report.json'));
    expect(await file.finish({ ok: true })).toBe(false);
    expect(errors.join()).toContain('folder/report.json cannot be written any more');
  });

  it('S62 writes through a link, and into what cannot be replaced only at the end', async () => {
    const terminal = { cwd: host.folder.path, err: () => undefined } as unknown as Terminal;
    writeFileSync(at('real.json'), 'old');
    symlinkSync(at('real.json'), at('link.json'));
    const linked = new ReportFile('link.json', terminal);
    await linked.check();
    await linked.keep(() => ({ so: 'far' }));
    expect(readFileSync(at('real.json'), 'utf8')).toContain('far');
    const device = new ReportFile('/dev/null', terminal);
    await device.check();
    await device.keep(() => expect.fail('written too early'));
    expect(await device.finish({})).toBe(true);
  });
});
