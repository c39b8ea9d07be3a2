import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from './config.js';

const secret = () => randomBytes(32).toString('base64');
let cwd: string;

beforeEach(() => (cwd = mkdtempSync(join(tmpdir(), 'demo-config-'))));
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

describe('an empty environment', () => {
  it('starts Express on port 3000 with a SQLite file under the working directory', () => {
    const config = loadConfig({}, cwd);
    expect(config).toMatchObject({ port: 3000, httpAdapter: 'express', dataDir: join(cwd, '.data', 'demo') });
    expect(config.databaseUrl).toBeUndefined();
  });

  it('makes a random key that only its owner can read, and keeps it', () => {
    const first = loadConfig({}, cwd);
    expect(Buffer.from(first.keys[0]!.secret, 'base64')).toHaveLength(32);
    expect(statSync(first.keysFrom).mode & 0o777).toBe(0o600);
    expect(statSync(first.dataDir).mode & 0o777).toBe(0o700);
    expect(loadConfig({}, cwd).keys).toEqual(first.keys);
  });

  it('makes another key in another folder', () => {
    const [one, two] = ['one', 'two'].map((DATA_DIR) => loadConfig({ DATA_DIR }, cwd).keys[0]!.secret);
    expect(one).not.toBe(two);
  });

  it('is also what empty variables mean', () => {
    const config = loadConfig({ PORT: '', DATABASE_URL: ' ', MFA_KEYS: '', HTTP_ADAPTER: '', ORIGIN: '' }, cwd);
    expect(config).toEqual(loadConfig({}, cwd));
  });
});

describe('MFA_KEYS', () => {
  it('takes one key or several, in their order, and writes no file', () => {
    const [old, current] = [secret(), secret()];
    const config = loadConfig({ MFA_KEYS: `2026-11:${current}, 2026-05:${old}` }, cwd);
    expect(config.keys).toEqual([
      { id: '2026-11', secret: current },
      { id: '2026-05', secret: old },
    ]);
    expect(() => statSync(config.dataDir)).toThrow('ENOENT');
  });

  it.each([
    ['no id', secret()],
    ['a short key', `k1:${randomBytes(16).toString('base64')}`],
    ['a long key', `k1:${randomBytes(33).toString('base64')}`],
    ['no base64', `k1:${'!'.repeat(44)}`],
    ['an empty entry', `k1:${secret()},`],
  ])('refuses %s, saying how a key is made and showing none', (_, value) => {
    const refused = () => loadConfig({ MFA_KEYS: value }, cwd);
    expect(refused).toThrow(/^MFA_KEYS must be id:base64\(32 bytes\)/);
    expect(refused).not.toThrow(value);
  });

  it('refuses an id given twice', () => {
    expect(() => loadConfig({ MFA_KEYS: `a:${secret()},a:${secret()}` }, cwd)).toThrow(/MFA_KEYS holds .* "a" twice/);
  });
});

describe('the data folder', () => {
  it('is taken relative to the working directory', () => {
    expect(loadConfig({ DATA_DIR: 'elsewhere' }, cwd).dataDir).toBe(join(cwd, 'elsewhere'));
  });

  it('is refused where it is a file', () => {
    writeFileSync(join(cwd, 'file'), '');
    expect(() => loadConfig({ DATA_DIR: 'file' }, cwd)).toThrow(/^DATA_DIR is not a folder/);
  });

  it('keeps a damaged key file and names it, for new keys would lose every enrollment', () => {
    const { keysFrom } = loadConfig({}, cwd);
    writeFileSync(keysFrom, 'k1:damaged');
    expect(() => loadConfig({}, cwd)).toThrow(keysFrom);
    expect(readFileSync(keysFrom, 'utf8')).toBe('k1:damaged');
  });
});

describe('PORT, HTTP_ADAPTER and DATABASE_URL', () => {
  it.each(['postgres://u:p@db:5432/app', 'postgresql://db/app', 'mysql://root@db/app', 'mariadb://db:3306/app'])(
    'takes %s',
    (DATABASE_URL) => expect(loadConfig({ DATABASE_URL }, cwd).databaseUrl).toBe(DATABASE_URL),
  );

  it.each(['sqlite:file', 'postgres:', 'mysql://db', 'mongodb://db/app', 'secret'])('refuses %s', (DATABASE_URL) => {
    expect(() => loadConfig({ DATABASE_URL }, cwd)).toThrow(/^DATABASE_URL must look like postgres:/);
  });

  it.each(['-1', '65536', '3000x', '1e3', '0x10'])('refuses port %s', (PORT) => {
    expect(() => loadConfig({ PORT }, cwd)).toThrow(/^PORT must be/);
  });

  it('takes port 0 and Fastify', () => {
    expect(loadConfig({ PORT: '0', HTTP_ADAPTER: 'fastify' }, cwd)).toMatchObject({ port: 0, httpAdapter: 'fastify' });
  });

  it.each([
    [{}, false],
    [{ ORIGIN: 'http://localhost:8080' }, false],
    [{ ORIGIN: 'https://demo.example' }, true],
    [{ NODE_ENV: 'production' }, true],
  ])('S110 with %j, the cookie of a trusted browser requires https: %s', (env, secureDevices) => {
    expect(loadConfig(env, cwd)).toMatchObject({ secureDevices });
  });

  it('refuses another adapter', () => {
    expect(() => loadConfig({ HTTP_ADAPTER: 'koa' }, cwd)).toThrow(/^HTTP_ADAPTER must be express/);
  });
});
