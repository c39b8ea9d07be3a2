import { randomBytes, randomUUID } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { SystemRandom } from '../../libs/mfa/src/domain/random.js';
import { KeyRing } from '../../libs/mfa/src/domain/secrets/key-ring.js';
import { SecretBox } from '../../libs/mfa/src/domain/secrets/secret-box.js';
import { TypeOrmAuthenticatorStore, TypeOrmBackupCodeStore } from '../../libs/mfa/src/persistence/stores/index.js';
import { CLI, HostFolder } from '../support/command-line.js';
import { createDatabase, openMfaDataSource, type TestDatabase } from '../support/databases.js';
import { codeFiles, read } from './markdown.js';

const PAGE = read('docs/guides/keys.md');
const commands = [...PAGE.matchAll(/^ *```sh\n([^]*?)^ *```/gm)].map(([, block = '']) => block.trim());
const env = {
  MFA_KEY_2027_01: randomBytes(32).toString('base64'),
  MFA_KEY_2026_11: randomBytes(32).toString('base64'),
};

let host: HostFolder;
let database: TestDatabase;
let dataSource: DataSource;

/** An authenticator and ten backup codes, sealed under the key. */
async function enroll(id: string, secret: string): Promise<void> {
  const box = new SecretBox(new KeyRing([{ id, secret }]), new SystemRandom());
  const row = { id: randomUUID(), userId: randomUUID(), expiresAtMs: null };
  const sealed = (purpose: 'totp-secret' | 'backup-code', credentialId: string) =>
    box.seal(randomBytes(20), { purpose, userId: row.userId, credentialId });
  const totp = { name: 'x', algorithm: 'SHA1', digits: 6, periodSeconds: 30 } as const;
  const times = { createdAtMs: 1, confirmedAtMs: 1, lastUsedAtMs: null, setupBinding: null };
  await new TypeOrmAuthenticatorStore(dataSource).add({
    ...row,
    ...totp,
    ...times,
    secret: sealed('totp-secret', row.id),
  });
  const ids = Array.from({ length: 10 }, () => randomUUID());
  await new TypeOrmBackupCodeStore(dataSource).add(
    ids.map((each) => ({ ...row, id: each, setId: 'set', hash: sealed('backup-code', each), usedAtMs: null })),
  );
}

beforeAll(async () => {
  host = new HostFolder();
  mkdirSync(join(host.path, 'dist'));
  host.write('package.json', '{ "type": "module" }');
  const source = codeFiles(PAGE).get('src/mfa-keys.ts')!;
  const { outputText } = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext } });
  host.write('dist/mfa-keys.js', outputText);
  database = await createDatabase('sqlite');
  dataSource = await openMfaDataSource(database);
  host.writeDataSource(database, 'dist/data-source.js');
  for (let count = 0; count < 4; count += 1) await enroll('2027-01', env.MFA_KEY_2027_01);
  await enroll('2026-11', env.MFA_KEY_2026_11);
});
afterAll(async () => {
  await dataSource.destroy();
  await database.drop();
  host.remove();
});

/** In a shell, as a reader would; `npx` finds the package that was built. */
function shell(command: string) {
  const script = `npx() { shift; node ${JSON.stringify(CLI)} "$@"; }\n${command}`;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], {
    cwd: host.path,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

it('S62 every command of docs/guides/keys.md works as it says, in its order', () => {
  expect(commands).toHaveLength(4);
  const [makeKey, status, rotate, verify] = commands.map(shell);
  expect(makeKey!.stdout).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
  const [, shown] = /```text\n([^]*?)```/.exec(PAGE)!;
  expect(status).toMatchObject({ status: 0, stdout: shown });
  expect(rotate).toMatchObject({ status: 0, stdout: expect.stringContaining('Every row is under the newest key') });
  expect(verify).toMatchObject({ status: 0, stdout: expect.stringMatching(/2027-01 +5 +50 +writes/) });
  expect(verify!.stdout).not.toContain('2026-11');
});
