import { describe, expect, it } from 'vitest';
import { readPlan } from './read-plan.js';

const KEY = 'a key of 32 characters, as it is';
const from = { table: 'users', columns: { userId: 'id', secret: 'totp', enabled: 'on' } };
const aes = { cipher: 'aes-256-cbc', key: KEY, layout: 'iv:ciphertext' };
const codes = { table: 'codes', columns: { userId: 'user_id', hash: 'hash', usedAt: 'used_at' } };
const usage = { table: 'usage', columns: { userId: 'user_id', window: 'window' } };
const withDecrypt = (decrypt: unknown) => ({ from, secret: { decrypt } });

describe('an import plan', () => {
  it('needs no more than where the secrets are, and who confirmed', () => {
    expect(readPlan({ from })).toMatchObject({
      from,
      hasEnabled: true,
      encoding: 'base32',
      totp: { algorithm: 'SHA1', digits: 6, periodSeconds: 30 },
      name: 'Authenticator app',
      backupCodes: null,
      usage: null,
    });
  });

  it('knows the Python service by its defaults', () => {
    expect(readPlan({ from, backupCodes: codes, usage })).toMatchObject({
      backupCodes: { table: codes, spelling: 'hyphenated' },
      usage: { table: usage, unit: 'steps' },
    });
  });

  it.each([
    [null, /^Import plan: it must be an object with from/],
    [[], /must be an object/],
    [{}, /`from` must be an object/],
    [{ from, form: 1 }, /`form` is not known; known are from, secret/],
    [{ from: { ...from, columns: { ...from.columns, user: 'x' } } }, /`from\.columns\.user` is not known/],
    [{ from: { ...from, table: '' } }, /`from\.table` must be the name of a table/],
    [{ from: { ...from, table: 'users"; DROP TABLE users; --' } }, /`from\.table` must not contain quotes/],
    [{ from: { ...from, columns: { ...from.columns, userId: undefined } } }, /`from\.columns\.userId` .* is missing/],
    [{ from: { ...from, columns: { userId: 'id', secret: 's' } } }, /`from\.columns\.enabled` must name the column/],
    [{ from: { ...from, everySecretIsConfirmed: true } }, /`from\.columns\.enabled`/],
    [{ from, secret: { encoding: 'base36' } }, /`secret\.encoding` must be one of 'base32'/],
    [{ from, totp: { digits: 9 } }, /`totp\.digits` must be a whole number from 6 to 8/],
    [{ from, totp: { algorithm: 'sha1' } }, /`totp\.algorithm` must be one of 'SHA1'/],
    [{ from, name: 'x'.repeat(65) }, /`name` must be a name of 1 to 64/],
    [{ from, backupCodes: { ...codes, hashedOver: 'hyphen' } }, /`backupCodes\.hashedOver` must be one of 'XXXX-XXXX'/],
    [{ from, backupCodes: { ...codes, columns: { userId: 'u', hash: 'h' } } }, /`backupCodes\.columns\.usedAt`/],
    [{ from, usage: { ...usage, unit: 'minutes' } }, /`usage\.unit` must be one of 'steps'/],
    [withDecrypt('fernet'), /`secret\.decrypt` must be an object with fernet, aes, openssl/],
    [withDecrypt({}), /`secret\.decrypt` must be a function, or one of/],
    [withDecrypt({ aes, openssl: { passphrase: 'x' } }), /`secret\.decrypt` must be a function, or one of/],
    [withDecrypt({ fernet: { keys: [] } }), /`secret\.decrypt\.fernet\.keys` must be a list/],
    [withDecrypt({ fernet: { keys: [{ secretKey: undefined }] } }), /`secret\.decrypt\.fernet\.keys\[0\]`/],
    [withDecrypt({ openssl: { passphrase: undefined } }), /passphrase` .*environment variable set\? and is missing/],
    [withDecrypt({ aes: { ...aes, cipher: 'des' } }), /`secret\.decrypt\.aes\.cipher` must be one of/],
    [withDecrypt({ aes: { ...aes, key: undefined } }), /`secret\.decrypt\.aes\.key` .*environment variable/],
    [
      withDecrypt({ aes: { ...aes, key: 'short' } }),
      /`secret\.decrypt\.aes\.key` has 5 bytes where aes-256-cbc needs 32/,
    ],
    [
      withDecrypt({ aes: { ...aes, layout: 'iv:tag:ciphertext' } }),
      /`secret\.decrypt\.aes\.layout` must name each part/,
    ],
    [withDecrypt({ aes: { ...aes, cipher: 'aes-256-gcm' } }), /'iv:tag:ciphertext'/],
    [withDecrypt({ aes: { ...aes, ivBytes: 12 } }), /`secret\.decrypt\.aes\.ivBytes`/],
  ])('%# is refused with the field and the remedy', (plan, message) => {
    expect(() => readPlan(plan)).toThrow(expect.objectContaining({ code: 'MFA_MISCONFIGURED' }));
    expect(() => readPlan(plan)).toThrow(message);
  });

  it.each([
    { aes: { ...aes, key: 'hunter2-hunter2-hunter2' } },
    { aes: { ...aes, key: 'hunter2-hunter2-hunter2', keyEncoding: 'base64' } },
    { fernet: { keys: [{ key: 'hunter2-hunter2-hunter2' }] } },
    { openssl: 'hunter2-hunter2-hunter2' },
  ])('S64 quotes no key in its errors', (decrypt) => {
    expect(() => readPlan(withDecrypt(decrypt))).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
    expect(() => readPlan(withDecrypt(decrypt))).toThrow(/Import plan/);
  });
});
