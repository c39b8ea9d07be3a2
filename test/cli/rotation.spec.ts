import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SystemRandom } from '../../libs/mfa/src/domain/random.js';
import { KeyRing } from '../../libs/mfa/src/domain/secrets/key-ring.js';
import { SecretBox } from '../../libs/mfa/src/domain/secrets/secret-box.js';
import { eachOnSqlite } from '../support/command-line-host.js';

const RIGHT = { id: 'k2', secret: randomBytes(32).toString('base64') };
/** Another secret of the same id. */
const MISTYPED = { id: 'k2', secret: [...RIGHT.secret].toReversed().join('').replace(/^=+/, '') };
const OLD = { id: 'k1', secret: randomBytes(32).toString('base64') };
const boxOf = (...keys: { id: string; secret: string }[]) => new SecretBox(new KeyRing(keys), new SystemRandom());
const env = (...keys: { id: string; secret: string }[]) => ({
  MFA_KEYS: keys.map(({ id, secret }) => `${id}:${secret}`).join(','),
});

describe('nestjs-mfa keys rotate', () => {
  const host = eachOnSqlite();

  async function sealed(userId: string, box: SecretBox): Promise<void> {
    const secret = box.seal(randomBytes(20), { purpose: 'totp-secret', userId, credentialId: `id-${userId}` });
    await host.dataSource.query(
      `INSERT INTO mfa_authenticator (id, user_id, name, secret, algorithm, digits, period_seconds, created_at, confirmed_at)
       VALUES (?, ?, 'Phone', ?, 'SHA1', 6, 30, 1, 1)`,
      [`id-${userId}`, userId, secret],
    );
  }
  const keyIds = async (): Promise<string[]> => {
    const rows: { secret: string }[] = await host.dataSource.query('SELECT secret FROM mfa_authenticator ORDER BY id');
    return rows.map(({ secret }) => secret.split('.')[1]!);
  };

  it('S63 a mistyped newest key seals nothing, though one row of an earlier mistake opens with it', async () => {
    await sealed('earlier-mistake', boxOf(MISTYPED));
    await sealed('signed-in', boxOf(RIGHT));
    for (const user of ['a', 'b', 'c']) await sealed(user, boxOf(OLD));
    const { code } = await host.folder.runHere(['keys', 'rotate', '-d', host.file], env(MISTYPED, OLD));
    // docs/guides/keys.md: "A mistyped secret is recognised and refused."
    expect({ code, keyIds: await keyIds() }).toEqual({ code: 2, keyIds: ['k1', 'k1', 'k1', 'k2', 'k2'] });
  });

  it('S62 a database that fails half-way, when rows are written, is not exit code 2, which means that none is', async () => {
    for (const user of ['a', 'b', 'c', 'd']) await sealed(user, boxOf(OLD));
    await sealed('z', boxOf(RIGHT));
    await host.dataSource.query(
      `CREATE TRIGGER full BEFORE UPDATE ON mfa_authenticator WHEN OLD.user_id = 'c'
       BEGIN SELECT RAISE(ABORT, 'disk full'); END`,
    );
    const { code } = await host.folder.runHere(
      ['keys', 'rotate', '-d', host.file, '--batch-size', '1'],
      env(RIGHT, OLD),
    );
    const written = (await keyIds()).filter((id) => id === 'k2').length - 1;
    expect(written).toBeGreaterThan(0);
    expect(code).not.toBe(2);
  });
});
