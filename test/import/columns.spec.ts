import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import CryptoJS from 'crypto-js';
import { authenticator } from 'otplib';
import speakeasy from 'speakeasy';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { dumpTables, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { importInto } from './importing.js';
import { createTable, formerly, type Value } from './source-tables.js';

/** One way in which applications keep secrets, by the code of the tutorials that they follow. */
interface Keeping {
  title: string;
  /** What the library made, and what stands in the column. */
  store: () => { column: Value; code: (nowMs: number) => string };
  secret?: object;
  weak?: true;
}

const passphrase = 'a passphrase of the old application';
const key = randomBytes(32);

/** otplib 12: ten bytes, in sixteen characters. */
const otplib = () => {
  const secret = authenticator.generateSecret();
  return { secret, code: (nowMs: number) => authenticator.clone({ epoch: nowMs }).generate(secret) };
};

/** speakeasy: twenty characters, which are the bytes. */
const guide = (encoding: 'ascii' | 'hex' | 'base32') => {
  const secret = speakeasy.generateSecret({ length: 20 })[encoding]!;
  return { secret, code: (nowMs: number) => speakeasy.totp({ secret, encoding, time: nowMs / 1000 }) };
};

const cbc = (text: string) => {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  return { iv, ciphertext: Buffer.concat([cipher.update(text), cipher.final()]) };
};
const gcm = (text: string) => {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const ciphertext = Buffer.concat([cipher.update(text), cipher.final()]);
  return { iv, ciphertext, tag: cipher.getAuthTag() };
};
const stored = (made: { secret: string; code: (nowMs: number) => string }, column: Value = made.secret) => ({
  column,
  code: made.code,
});

const KEEPINGS: Keeping[] = [
  { title: 'otplib 12, plain base32', store: () => stored(otplib()), weak: true },
  {
    title: 'otplib 12, lower case in groups',
    store: () => {
      const made = otplib();
      return stored(made, made.secret.toLowerCase().match(/.{4}/g)!.join(' '));
    },
    weak: true,
  },
  {
    title: 'otplib 12, 32 bytes',
    store: () => {
      const secret = authenticator.generateSecret(32);
      return { column: secret, code: (nowMs) => authenticator.clone({ epoch: nowMs }).generate(secret) };
    },
  },
  { title: 'speakeasy, base32', store: () => stored(guide('base32')) },
  { title: 'speakeasy, hex', store: () => stored(guide('hex')), secret: { encoding: 'hex' } },
  { title: 'speakeasy, ascii', store: () => stored(guide('ascii')), secret: { encoding: 'ascii' } },
  {
    title: 'AES-256-CBC, iv:ciphertext in hex, the key in base64',
    store: () => {
      const made = otplib();
      const { iv, ciphertext } = cbc(made.secret);
      return stored(made, `${iv.toString('hex')}:${ciphertext.toString('hex')}`);
    },
    secret: {
      decrypt: {
        aes: { cipher: 'aes-256-cbc', key: key.toString('base64'), keyEncoding: 'base64', layout: 'iv:ciphertext' },
      },
    },
    weak: true,
  },
  {
    title: 'AES-256-GCM, iv.tag.ciphertext in base64',
    store: () => {
      const made = guide('base32');
      const { iv, tag, ciphertext } = gcm(made.secret);
      return stored(made, [iv, tag, ciphertext].map((part) => part.toString('base64')).join('.'));
    },
    secret: { decrypt: { aes: { cipher: 'aes-256-gcm', key, layout: 'iv.tag.ciphertext', encoding: 'base64' } } },
  },
  {
    title: 'AES-256-GCM, bytes one after another',
    store: () => {
      const made = guide('base32');
      const { iv, tag, ciphertext } = gcm(made.secret);
      return stored(made, Buffer.concat([iv, ciphertext, tag]).toString('base64'));
    },
    secret: { decrypt: { aes: { cipher: 'aes-256-gcm', key, layout: 'iv+ciphertext+tag', encoding: 'base64' } } },
  },
  {
    title: 'AES-256-CBC under the hash of a text, bytes one after another',
    store: () => {
      const made = guide('base32');
      const cipher = createCipheriv(
        'aes-256-cbc',
        createHash('sha256').update(passphrase).digest(),
        Buffer.alloc(16, 7),
      );
      const ciphertext = Buffer.concat([cipher.update(made.secret), cipher.final()]);
      return stored(made, Buffer.concat([Buffer.alloc(16, 7), ciphertext]).toString('hex'));
    },
    secret: {
      decrypt: { aes: { cipher: 'aes-256-cbc', key: passphrase, keyEncoding: 'sha256', layout: 'iv+ciphertext' } },
    },
  },
  {
    title: 'crypto-js under a passphrase',
    store: () => {
      const made = otplib();
      return stored(made, CryptoJS.AES.encrypt(made.secret, passphrase).toString());
    },
    secret: { decrypt: { openssl: { passphrase } } },
    weak: true,
  },
  {
    title: "anything else, by the host's function",
    store: () => {
      const made = guide('base32');
      return stored(made, JSON.stringify({ base32: [...made.secret].toReversed().join('') }));
    },
    secret: {
      decrypt: (value: string) => [...(JSON.parse(value) as { base32: string }).base32].toReversed().join(''),
    },
  },
];

describe.each(testDatabases)('import of columns on %s', (kind) => {
  let host: HostApp;
  let tables = 0;
  const planOf = (table: string, secret: object | undefined) => ({
    from: { table, columns: { userId: 'id', secret: 'two_factor_secret', enabled: 'two_factor_enabled' } },
    secret,
  });
  /** A table of an application, with these secrets, all confirmed; its users are called after it. */
  async function tableOf(...columns: Value[]): Promise<{ table: string; users: Client[] }> {
    const table = `users_${(tables += 1)}`;
    const rows = columns.map((column, index): Value[] => [`${table}-${index}`, column, true]);
    await formerly(host.database, (dataSource) =>
      createTable(
        dataSource,
        table,
        { id: 'VARCHAR(40)', two_factor_secret: 'TEXT', two_factor_enabled: 'BOOLEAN' },
        rows,
      ),
    );
    return { table, users: rows.map(([id]) => new Client(host, String(id))) };
  }

  beforeAll(async () => {
    host = await startHostApp({ database: kind, options: FEW_CODES });
  });
  afterAll(() => host.close());

  it.each(KEEPINGS)('$title: the same app signs in, each code once', async ({ store, secret, weak }) => {
    const { column, code } = store();
    const { table, users } = await tableOf(column);
    expect(await importInto(host, planOf(table, secret))).toMatchObject({
      ok: true,
      users: { read: 1, imported: 1, weak: weak ? 1 : 0 },
    });
    const [user] = users;
    await user!.verify(await user!.login(), code(host.clock.nowMs())).expect(200);
    await user!.verify(await user!.login(), code(host.clock.nowMs())).expect(401);
    await user!.verify(await user!.login(), code(host.clock.nowMs() + 30_000)).expect(200);
    const status = await user!.get('/mfa/status').expect(200);
    expect(status.body.authenticators[0].weak).toBe(weak);
  });

  const failing: [string, Keeping, object][] = [
    [
      'AES-256-CBC',
      KEEPINGS[6]!,
      { decrypt: { aes: { cipher: 'aes-256-cbc', key: randomBytes(32), layout: 'iv:ciphertext' } } },
    ],
    [
      'AES-256-GCM',
      KEEPINGS[8]!,
      {
        decrypt: {
          aes: { cipher: 'aes-256-gcm', key: randomBytes(32), layout: 'iv+ciphertext+tag', encoding: 'base64' },
        },
      },
    ],
    ['crypto-js', KEEPINGS[10]!, { decrypt: { openssl: { passphrase: 'another passphrase' } } }],
  ];
  it.each(failing)('%s under a wrong key: nothing is written, every row is told', async (_, { store }, secret) => {
    const before = await dumpTables(host);
    const { table, users } = await tableOf(...Array.from({ length: 5 }, () => store().column));
    const report = await importInto(host, planOf(table, secret));
    expect(report).toMatchObject({ ok: false, users: { read: 5, imported: 0 } });
    // CBC has no tag: in one of 256 a wrong key leaves a padding that looks right, and then a text that is none.
    expect(report.skipped.map(({ reason }) => reason)).toEqual(
      users.map(() => expect.stringMatching(/^secret-(undecryptable|malformed)$/)),
    );
    expect(await dumpTables(host)).toEqual(before);
  });

  it.each([6, 7, 8, 10])('a truncated value of keeping %i is left out, and its neighbour is not', async (index) => {
    const { store, secret } = KEEPINGS[index]!;
    const { column, code } = store();
    const { table, users } = await tableOf(String(store().column).slice(0, -8), column);
    const report = await importInto(host, planOf(table, secret));
    expect(report).toMatchObject({ ok: false, users: { read: 2, imported: 1 } });
    expect(report.skipped).toEqual([
      { what: 'user', userId: users[0]!.userId, reason: 'secret-undecryptable', bad: true },
    ]);
    expect((await users[0]!.loginAnswer().expect(201)).body).not.toHaveProperty('mfa_token');
    await users[1]!.verify(await users[1]!.login(), code(host.clock.nowMs())).expect(200);
  });

  it('S6 secrets that cannot be any are left out, and told', async () => {
    const { table } = await tableOf('HXDMVJECJJWSR', 'HXDMVJECJJWSRB3HX', 'not a secret!', '', null, otplib().secret);
    const report = await importInto(host, planOf(table, undefined));
    const skipped = { 'secret-impossible': 1, 'secret-malformed': 2, 'secret-missing': 2 };
    expect(report).toMatchObject({ ok: false, users: { read: 6, imported: 1, weak: 1, skipped } });
  });
});
