import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { DEFAULT_ATTEMPT_POLICY, settleBudget } from '../../libs/mfa/src/domain/attempts/attempt-budget.js';
import type { UsageEntry } from '../../libs/mfa/src/domain/usage/usage.js';
import {
  StepwiseVerificationStore,
  type VerificationStores,
} from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import type {
  MfaVerificationStore,
  VerificationAttempt,
  VerificationCompletion,
} from '../../libs/mfa/src/domain/verification/verification.store.js';
import { PostgresVerificationStore } from '../../libs/mfa/src/persistence/postgres/postgres-verification.store.js';
import { authenticator, entry } from '../persistence/rows.js';
import { createDatabase, openMfaDataSource, type TestDatabase, testDatabases } from '../support/databases.js';
import { typeOrmStores } from '../support/typeorm-stores.js';

const NOW = 1_800_000_000_000;
const policy = DEFAULT_ATTEMPT_POLICY;

const stepwise = (source: DataSource): MfaVerificationStore => new StepwiseVerificationStore(typeOrmStores(source));
const oneStatement = (source: DataSource): MfaVerificationStore => new PostgresVerificationStore(source);

const IMPLEMENTATIONS = testDatabases.flatMap((kind) => [
  { kind, name: 'step by step', make: stepwise },
  ...(kind === 'postgres' ? [{ kind, name: 'by one statement a step', make: oneStatement }] : []),
]);

describe.each(IMPLEMENTATIONS)('parallel verifications on $kind $name', ({ kind, name, make }) => {
  let database: TestDatabase;
  /** Two DataSources, as two instances of the host would have. */
  let instances: DataSource[];
  let verifications: MfaVerificationStore[];
  let stores: VerificationStores;

  beforeAll(async () => {
    database = await createDatabase(kind);
    instances = [await openMfaDataSource(database), await openMfaDataSource(database)];
    verifications = instances.map(make);
    stores = typeOrmStores(instances[0]!);
  });

  afterAll(async () => {
    await Promise.all(instances.map((instance) => instance.destroy()));
    await database.drop();
  });

  async function enabledUser(): Promise<{ userId: string; device: string }> {
    const userId = `user-${randomUUID()}`;
    const device = authenticator(userId);
    await stores.accounts.open(userId, NOW);
    await stores.authenticators.add(device);
    await stores.accounts.commit(userId, NOW, {
      activeFactors: [{ type: 'totp', id: device.id }],
      backupSetId: 'live',
    });
    return { userId, device: device.id };
  }
  type User = Awaited<ReturnType<typeof enabledUser>>;

  const at = (position: number) => verifications[position % verifications.length]!;
  const begin = ({ userId }: User, position: number, rest: Partial<VerificationAttempt> = {}) =>
    at(position)
      .reserveAttempt({
        userId,
        securityStamp: NOW,
        budget: 'totp',
        rows: 'authenticators',
        digits: 6,
        policy,
        nowMs: NOW,
        ...rest,
      })
      .then(({ reserved }) => reserved);
  const complete = (
    { userId, device }: User,
    position: number,
    entries: UsageEntry[],
    rest: Partial<VerificationCompletion> = {},
  ) =>
    at(position).spendAndSettle({
      ...{
        userId,
        securityStamp: NOW,
        entries,
        budget: 'totp',
        use: { rows: 'authenticators', id: device },
        endsRecovery: false,
        policy,
        nowMs: NOW,
      },
      ...rest,
    });
  const budget = async ({ userId }: User) => (await stores.accounts.load(userId))!.account.budgets.totp;

  /** How many of `count` calls in flight at once were answered `true`. */
  async function race(count: number, call: (position: number) => Promise<boolean>): Promise<number> {
    const answers = await Promise.all(Array.from({ length: count }, (_, position) => call(position)));
    return answers.filter(Boolean).length;
  }

  it('S50 evaluate at most the budget of 100 parallel guesses', async () => {
    const user = await enabledUser();
    expect(await race(100, (position) => begin(user, position))).toBe(policy.maxFailures);
    expect(await budget(user)).toMatchObject({ failures: policy.maxFailures, lockedUntilMs: NOW + policy.lockMs });
  });

  it('S28 complete one of 50 with the same code', async () => {
    for (let round = 0; round < 10; round += 1) {
      const user = await enabledUser();
      const code = entry('totp');
      expect(await race(50, (position) => complete(user, position, [code, entry('token')]))).toBe(1);
    }
  });

  it('S34 complete one of 20 codes with the same token, and the others stay valid', async () => {
    for (let round = 0; round < 10; round += 1) {
      const user = await enabledUser();
      const token = entry('token');
      const codes = Array.from({ length: 20 }, () => entry('totp'));
      // Every other one names them the other way round, which invites deadlocks.
      const won = await race(20, (position) => {
        const pair = [codes[position]!, token];
        return complete(user, position, position % 2 === 0 ? pair : pair.toReversed());
      });
      expect(won).toBe(1);
      expect(await race(20, (position) => complete(user, position, [codes[position]!]))).toBe(19);
    }
  });

  it('S34a S70 leave no failure and no lock after thirty double submissions', async () => {
    const user = await enabledUser();
    for (let login = 0; login < 30; login += 1) {
      const code = entry('totp');
      const answers = await Promise.all(
        [0, 1].map(async (position) => {
          const counted = await begin(user, position);
          const won = counted && (await complete(user, position, [code]));
          if (counted && !won) await stores.accounts.release(user.userId, 'totp', policy);
          return [counted, won] as const;
        }),
      );
      expect(answers.filter(([counted]) => counted)).toHaveLength(2);
      expect(answers.filter(([, won]) => won)).toHaveLength(1);
    }
    expect(await budget(user)).toMatchObject({ failures: 0, lockedUntilMs: 0 });
  });

  it('S43 S59 order a completion and a disabling one after the other', async () => {
    for (let round = 0; round < 30; round += 1) {
      const user = await enabledUser();
      const code = entry('totp');
      await begin(user, 0);
      const change = { securityStamp: NOW + 1, activeFactors: [] };
      const [won, disabled] = await Promise.all([
        complete(user, round, [code]),
        stores.accounts.commit(user.userId, NOW + 1, change),
      ]);
      expect(disabled).toBe(true);
      expect(await complete(user, 0, [entry('totp')])).toBe(false);
      // Nothing is spent where nothing was won.
      const entries = [code];
      expect(await stores.usage.spend({ userId: user.userId, securityStamp: NOW + 1, entries, nowMs: NOW })).toBe(!won);
    }
  });

  it('S33 order a completion and a regeneration one after the other', async () => {
    for (let round = 0; round < 30; round += 1) {
      const user = await enabledUser();
      const used = { factor: 'backup_code', backupSetId: 'live' } as const;
      const regenerated = stores.accounts.commit(user.userId, NOW + 1, { backupSetId: 'new' });
      await complete(user, round, [entry('backup_code')], used);
      expect(await regenerated).toBe(true);
      expect(await complete(user, round, [entry('backup_code')], used)).toBe(false);
    }
  });

  describe.each(name === 'step by step' ? [] : ['still open'])('behind a transaction that is %s', () => {
    /** Runs `statement` in a transaction, starts `act`, which has to wait for it, and then commits or rolls back. */
    async function behind<T>(
      statement: string,
      parameters: unknown[],
      act: () => Promise<T>,
      end: 'COMMIT' | 'ROLLBACK',
    ) {
      const runner = instances[0]!.createQueryRunner();
      await runner.connect();
      try {
        await runner.query('BEGIN');
        await runner.query(statement, parameters);
        let waited = true;
        const acting = act().finally(() => (waited = false));
        await sleep(100);
        expect(waited).toBe(true);
        await runner.query(end);
        return await acting;
      } finally {
        await runner.release();
      }
    }

    const CHANGES = [
      ['S43 another security stamp', 'security_stamp = security_stamp + 1'],
      ['S57 a lock', `totp_locked_until = ${NOW + 60_000}`],
      ['S54 a disabled factor', `totp_failures = ${policy.disableAfter}`],
      ['S13 nothing enabled', "active_ids = ''"],
      ['another authenticator', "active_ids = 'other'"],
    ] as const;

    it.each(CHANGES)('see in reserveAttempt %s that is committed while it waits', async (_, change) => {
      const user = await enabledUser();
      const statement = `UPDATE mfa_account SET ${change} WHERE user_id = $1`;
      const token = { kind: 'token', item: randomUUID(), expiresAtMs: null } as const;
      expect(await behind(statement, [user.userId], () => begin(user, 1, { token }), 'COMMIT')).toBe(false);
      const other = await enabledUser();
      expect(await behind(statement, [other.userId], () => begin(other, 1, { token }), 'ROLLBACK')).toBe(true);
    });

    it('S50 count in reserveAttempt on top of an attempt that is committed while it waits', async () => {
      const user = await enabledUser();
      const statement = 'UPDATE mfa_account SET totp_failures = 4 WHERE user_id = $1';
      const acting = () => begin(user, 1, { token: { kind: 'token', item: randomUUID(), expiresAtMs: null } });
      expect(await behind(statement, [user.userId], acting, 'COMMIT')).toBe(true);
      expect(await budget(user)).toMatchObject({ failures: 5, lockedUntilMs: NOW + policy.lockMs });
    });

    it.each([
      ['S43 another security stamp', 'security_stamp = security_stamp + 1', {}],
      ['S33 another backup set', "backup_set_id = 'new'", { backupSetId: 'live' }],
    ])('see in spendAndSettle %s that is committed while it waits', async (_, change, rest) => {
      const statement = `UPDATE mfa_account SET ${change} WHERE user_id = $1`;
      for (const end of ['COMMIT', 'ROLLBACK'] as const) {
        const user = await enabledUser();
        const code = entry('totp');
        await begin(user, 0);
        const before = await budget(user);
        const won = await behind(statement, [user.userId], () => complete(user, 1, [code], rest), end);
        expect(won).toBe(end === 'ROLLBACK');
        expect(await budget(user)).toEqual(won ? settleBudget(before, policy) : before);
        const { authenticators } = (await stores.accounts.load(user.userId))!;
        expect(authenticators[0]?.lastUsedAtMs).toBe(won ? NOW : null);
      }
    });

    it('S28 lose in spendAndSettle to a code that is spent while it waits, and settle nothing', async () => {
      const statement = `INSERT INTO mfa_usage (user_id, kind, item, spent_at) VALUES ($1, 'totp', $2, 0)`;
      for (const end of ['COMMIT', 'ROLLBACK'] as const) {
        const user = await enabledUser();
        const code = entry('totp');
        await begin(user, 0);
        const before = await budget(user);
        const won = await behind(statement, [user.userId, code.item], () => complete(user, 1, [code]), end);
        expect(won).toBe(end === 'ROLLBACK');
        expect(await budget(user)).toEqual(won ? settleBudget(before, policy) : before);
      }
    });
  });
});
