import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import type { MfaSealedValueStore, SealedPurpose } from '../../libs/mfa/src/domain/secrets/sealed-value.store.js';
import {
  TypeOrmAuthenticatorStore,
  TypeOrmBackupCodeStore,
  TypeOrmSealedValueStore,
} from '../../libs/mfa/src/persistence/stores/index.js';
import { InMemoryMfaState } from '../support/in-memory-state.js';
import { InMemorySealedValueStore } from '../support/in-memory-sealed-value-store.js';
import { InMemoryAuthenticatorStore } from '../support/in-memory-credential-stores.js';
import { InMemoryBackupCodeStore } from '../support/in-memory-stores.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';

interface Stores {
  values: MfaSealedValueStore;
  add(purpose: SealedPurpose, id: string, sealed: string): Promise<void>;
}

function storesOf(authenticators: InMemoryAuthenticatorStore, codes: InMemoryBackupCodeStore): Stores['add'] {
  const row = { userId: 'ann', expiresAtMs: null };
  const totp = { name: 'x', algorithm: 'SHA1', digits: 6, periodSeconds: 30, createdAtMs: 1 } as const;
  const unused = { confirmedAtMs: null, lastUsedAtMs: null, setupBinding: null };
  return (purpose, id, sealed) =>
    purpose === 'totp-secret'
      ? authenticators.add({ ...row, ...totp, ...unused, id, secret: sealed })
      : codes.add([{ ...row, id, setId: 'set', hash: sealed, usedAtMs: null }]);
}

function describeSealedValues(stores: () => Stores): void {
  describe.each(['totp-secret', 'backup-code'] as const)('%s', (purpose) => {
    let ids: string[];
    beforeEach(async () => {
      ids = Array.from({ length: 5 }, () => randomUUID()).toSorted();
      for (const id of ids) await stores().add(purpose, id, `sealed ${id}`);
    });

    const all = async () => {
      const found = [];
      for (let afterId = ''; ;) {
        const page = await stores().values.listAfter(purpose, afterId, 2);
        if (page.length === 0) return found;
        found.push(...page);
        afterId = page.at(-1)!.credentialId;
      }
    };
    const mine = async () => (await all()).filter(({ credentialId }) => ids.includes(credentialId));
    const reencryption = (id: string, change: object = {}) => ({
      purpose,
      userId: 'ann',
      credentialId: id,
      sealed: `sealed ${id}`,
      reencrypted: `reencrypted ${id}`,
      ...change,
    });

    it('counts and lists every row once, page by page', async () => {
      const rows = await all();
      expect(rows).toHaveLength(await stores().values.count(purpose));
      expect(new Set(rows.map(({ credentialId }) => credentialId)).size).toBe(rows.length);
      expect(await mine()).toEqual(
        ids.map((id) => ({ purpose, userId: 'ann', credentialId: id, sealed: `sealed ${id}` })),
      );
    });

    it('S62 replaces several values, each by its own replacement, and no other value', async () => {
      await stores().values.replace(purpose, [reencryption(ids[0]!), reencryption(ids[3]!)]);
      const changed = (await mine()).map(({ sealed }) => sealed.startsWith('reencrypted'));
      expect(changed).toEqual([true, false, false, true, false]);
      expect((await mine())[3]!.sealed).toBe(`reencrypted ${ids[3]}`);
    });

    it.each([
      ['a value that is another one by now', { sealed: 'sealed before' }],
      ['a row of another user', { userId: 'bob' }],
      ['a row that is gone', { credentialId: 'gone' }],
    ])('S62 keeps %s, and replaces the others of the batch', async (_, change) => {
      await stores().values.replace(purpose, [reencryption(ids[0]!, change), reencryption(ids[1]!)]);
      expect((await mine()).map(({ sealed }) => sealed.startsWith('reencrypted'))).toEqual([
        false,
        true,
        false,
        false,
        false,
      ]);
    });

    it('S62 stores one of twenty parallel replacements of the same value', async () => {
      const id = ids[0]!;
      await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          stores().values.replace(purpose, [reencryption(id, { reencrypted: `reencrypted ${index}` })]),
        ),
      );
      expect((await mine())[0]!.sealed).toMatch(/^reencrypted \d+$/);
    });

    it('replaces nothing when it is given nothing', async () => {
      await stores().values.replace(purpose, []);
      expect((await mine()).every(({ sealed }) => sealed.startsWith('sealed'))).toBe(true);
    });
  });
}

describe('sealed values in memory', () => {
  const state = new InMemoryMfaState();
  const values = new InMemorySealedValueStore(state);
  const add = storesOf(new InMemoryAuthenticatorStore(state), new InMemoryBackupCodeStore(state));
  describeSealedValues(() => ({ values, add }));
});

describe.each(testDatabases)('sealed values on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;
  let stores: Stores;

  beforeAll(async () => {
    database = await createDatabase(kind);
    dataSource = await openMfaDataSource(database);
    const add = storesOf(
      new TypeOrmAuthenticatorStore(dataSource) as never,
      new TypeOrmBackupCodeStore(dataSource) as never,
    );
    stores = { values: new TypeOrmSealedValueStore(dataSource), add };
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  describeSealedValues(() => stores);
});
