import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { DEFAULT_ATTEMPT_POLICY } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import type {
  MfaVerificationStore,
  VerificationCompletion,
} from '../../libs/mfa/src/domain/verification/verification.store.js';
import { PostgresAccountStore } from '../../libs/mfa/src/persistence/postgres/postgres-account.store.js';
import { PostgresVerificationStore } from '../../libs/mfa/src/persistence/postgres/postgres-verification.store.js';
import { StepwiseVerificationStore } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';
import { typeOrmStores } from '../support/typeorm-stores.js';
import { device, entry, hash, passkey, type Stores } from './rows.js';

const NOW = 1_800_000_000_000;

describe.each(testDatabases)('the statements of required MFA, recovery and devices on %s', (kind) => {
  let database: TestDatabase;
  let source: DataSource;
  let stores: Stores;
  let verification: MfaVerificationStore;
  const sent: string[] = [];
  const key = passkey('ann');

  beforeAll(async () => {
    database = await createDatabase(kind);
    const logQuery = (text: string) => void sent.push(text.replaceAll(/["`]/g, ''));
    const silent = () => undefined;
    const others = { logQueryError: silent, logQuerySlow: silent, logSchemaBuild: silent, logMigration: silent };
    source = await openMfaDataSource(database, { logging: true, logger: { logQuery, ...others, log: silent } });
    stores = typeOrmStores(source);
    if (kind === 'postgres') stores.accounts = new PostgresAccountStore(source);
    verification = kind === 'postgres' ? new PostgresVerificationStore(source) : new StepwiseVerificationStore(stores);
    await stores.accounts.open('ann', NOW);
    await stores.passkeys.add(key);
    // On MySQL, the first spending asks whether the server is in a cluster.
    await stores.usage.spend({ userId: 'ann', securityStamp: NOW, entries: [entry('token')], nowMs: NOW });
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  /** The statements that ran during `act`. */
  async function statementsOf(act: () => Promise<unknown>): Promise<string[]> {
    sent.length = 0;
    await act();
    return [...sent];
  }
  const complete = (rest: Partial<VerificationCompletion>) =>
    verification.spendAndSettle({
      ...{ userId: 'ann', securityStamp: NOW, entries: [entry('webauthn')], budget: null, endsRecovery: false },
      use: { rows: 'passkeys', id: key.id, counter: { from: null, to: 1 }, backedUp: false, userVerified: false },
      ...{ policy: DEFAULT_ATTEMPT_POLICY, nowMs: NOW },
      ...rest,
    });
  const writesAccount = (text: string) => /UPDATE mfa_account/.test(text);

  it('writes no account row for a passkey where no recovery code is live', async () => {
    const statements = await statementsOf(() => complete({}));
    expect(statements).toHaveLength(kind === 'postgres' ? 1 : 2);
    expect(statements.filter(writesAccount)).toEqual([]);
    if (kind === 'postgres') expect(statements[0]).toMatch(/FROM mfa_account .* FOR NO KEY UPDATE/s);
  });

  it('S104 ends a recovery code after a passkey in the same statement on PostgreSQL, and in one more elsewhere', async () => {
    const statements = await statementsOf(() => complete({ endsRecovery: true }));
    expect(statements).toHaveLength(kind === 'postgres' ? 1 : 3);
    expect(statements.filter(writesAccount)).toEqual([expect.stringMatching(/recovery_hash = NULL/)]);
  });

  it('S104 ends a recovery code after a counted proof in the statement that settles', async () => {
    const use = { budget: 'totp', use: null } as const;
    for (const endsRecovery of [false, true]) {
      const statements = await statementsOf(() => complete({ ...use, endsRecovery }));
      expect(statements).toHaveLength(kind === 'postgres' ? 1 : 2);
      expect(statements.filter(writesAccount)).toEqual([
        expect.stringMatching(/totp_failures = 0.*recovery_hash = NULL/s),
      ]);
    }
  });

  it.each(['ann', 'Ann'])(
    'S101 reads a sighting with the account of "%s" in one statement, and only for a policy',
    async (id) => {
      const [without, ...more] = await statementsOf(() => stores.accounts.loadForLogin(id));
      const [withPolicy, ...others] = await statementsOf(() => stores.accounts.loadForLogin(id, 'required'));
      expect([more, others]).toEqual([[], []]);
      expect(without).not.toContain('policy');
      expect(withPolicy).toMatch(/SELECT p.first_seen_at FROM mfa_policy_seen/);
      expect(await statementsOf(() => stores.accounts.loadForLogin(id))).toEqual([without]);
    },
  );

  it.each(['ann', 'Ann'])('reads a device with the account of "%s" in one statement, and only if asked', async (id) => {
    const read = (policyId?: string, deviceLookupHash?: string) =>
      statementsOf(() => stores.accounts.loadForLogin(id, policyId, deviceLookupHash));
    const [plain, withPolicy] = [await read(), await read('required')];
    expect([...plain, ...withPolicy].join()).not.toContain('device');
    for (const policyId of [undefined, 'required']) {
      const [withDevice, ...more] = await read(policyId, hash('lookup'));
      expect(more).toEqual([]);
      expect(withDevice).toMatch(/LEFT JOIN mfa_device d ON d.user_id = a.user_id AND d.lookup_hash = [$?]/);
    }
    expect([await read(), await read('required')]).toEqual([plain, withPolicy]);
  });

  it('takes one statement for each method of the store of devices', async () => {
    const [{ devices }, row] = [stores, device('ann')];
    const calls: [() => Promise<unknown>, RegExp][] = [
      [() => devices.add(row), /^INSERT INTO mfa_device/],
      [() => devices.trim(row, { max: 1, replacedLookupHash: hash('old'), nowMs: NOW }), /^DELETE FROM mfa_device/],
      [() => devices.find('ann', row.lookupHash), /^SELECT/],
      [() => devices.list('ann'), /^SELECT/],
      [() => devices.rotate(row, hash('next'), NOW), /^UPDATE mfa_device/],
      [() => devices.noteUse(row, row.secretHash, NOW), /^UPDATE mfa_device/],
      [() => devices.removeWith(row), /^DELETE FROM mfa_device/],
      [() => devices.remove('ann', row.id), /^DELETE FROM mfa_device/],
      [() => devices.removeAll('ann'), /^DELETE FROM mfa_device/],
      [() => devices.purge(NOW, 5), /^DELETE FROM mfa_device/],
    ];
    for (const [call, text] of calls) expect(await statementsOf(call)).toEqual([expect.stringMatching(text)]);
  });

  it('reads and records a sighting in one statement, and reads one that was recorded before', async () => {
    const seen = stores.policiesSeen;
    const record = () => statementsOf(() => seen.record('ann', 'p', NOW));
    expect(await record()).toEqual([expect.stringMatching(/^INSERT INTO mfa_policy_seen/)]);
    expect(await record()).toEqual([expect.stringMatching(/^INSERT/), expect.stringMatching(/^SELECT/)]);
    const reads = [() => seen.firstSeen('ann', 'p'), () => seen.list('ann'), () => seen.removeAll('ann')];
    for (const read of reads) expect(await statementsOf(read)).toHaveLength(1);
  });
});
