import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataSource } from 'typeorm';
import { ATTEMPT_FACTORS } from '../../libs/mfa/src/domain/attempts/attempt-policy.js';
import type { VerificationCompletion } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { PostgresVerificationStore } from '../../libs/mfa/src/persistence/postgres/postgres-verification.store.js';
import { StepwiseVerificationStore } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';
import { typeOrmStores } from '../support/typeorm-stores.js';
import { backupCode, entry } from './rows.js';

const NOW = 1_800_000_000_000;
/** A short way to locks, so that random runs reach each of them. */
const POLICY = { maxFailures: 2, lockMs: 10, maxLockMs: 40, dailyBurst: 1000, dailyRefill: 1000, disableAfter: 8 };

type Summary = Record<'locked_until' | 'most_failures' | 'backup_codes_left', number | null>;

describe.each(testDatabases)('what the lists of administrators read, on %s', (kind) => {
  let database: TestDatabase;
  let source: DataSource;
  let seed = 7;
  beforeAll(async () => {
    database = await createDatabase(kind);
    source = await openMfaDataSource(database);
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const random = () => (seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) / 0x7fffffff;
  const oneOf = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const stores = () => typeOrmStores(source);

  async function summaryOf(userId: string): Promise<{ stored: Summary; expected: Summary }> {
    const [row] = await source.query(`SELECT * FROM mfa_account WHERE user_id = '${userId}'`);
    const { account, backupCodesRemaining } = (await stores().accounts.load(userId))!;
    const budgets = Object.values(account.budgets);
    const failures = Math.max(...budgets.map((each) => each.failures));
    const number = (value: unknown) => (value === null ? null : Number(value));
    return {
      stored: {
        locked_until: number(row.locked_until),
        most_failures: number(row.most_failures),
        backup_codes_left: number(row.backup_codes_left),
      },
      expected: {
        locked_until: Math.max(...budgets.map((each) => each.lockedUntilMs)),
        most_failures: failures > 1 ? failures : 0,
        backup_codes_left: account.activeFactors.length > 0 ? backupCodesRemaining : null,
      },
    };
  }

  /** Changes of one user, as the flow makes them. */
  function changesOf(userId: string, how: 'stepwise' | 'one statement') {
    const { accounts, backupCodes } = stores();
    const verification =
      how === 'stepwise' ? new StepwiseVerificationStore(stores()) : new PostgresVerificationStore(source);
    const sets: string[] = [];
    let nowMs = NOW;
    const commit = async (change: Parameters<typeof accounts.commit>[2]) => {
      const { account } = (await accounts.load(userId))!;
      await accounts.commit(userId, account.rowVersion, { ...change, securityStamp: account.securityStamp + 1 });
    };
    const newSet = async () => {
      const setId = `set-${userId}-${sets.push('')}`;
      await backupCodes.add([1, 2, 3, 4].map(() => backupCode(userId, setId)));
      return setId;
    };
    const active = () => [{ type: 'totp', id: `${userId}-1` }];
    return {
      guess: async () => {
        const factor = oneOf(ATTEMPT_FACTORS);
        const { account } = (await accounts.load(userId))!;
        const { securityStamp } = account;
        nowMs += 5;
        const isReserved = await accounts.reserve({ userId, securityStamp, factor, policy: POLICY, nowMs });
        if (isReserved && random() < 0.2) await accounts.release(userId, factor, POLICY);
        // On PostgreSQL a backup code settles in the statement that spends it, nowhere else.
        const settlesApart = how === 'stepwise' || factor !== 'backup_code';
        if (isReserved && settlesApart && random() < 0.1) await accounts.settle(userId, factor, POLICY);
      },
      'guess through the flow': async () => {
        nowMs += 5;
        const attempt = { userId, budget: 'backup_code', rows: 'backup codes', policy: POLICY, nowMs } as const;
        await verification.reserveAttempt(attempt);
      },
      'use a backup code': async () => {
        nowMs += 45;
        const attempt = { userId, budget: 'backup_code', rows: 'backup codes', policy: POLICY, nowMs } as const;
        const { snapshot, reserved } = await verification.reserveAttempt(attempt);
        const code = snapshot && oneOf(snapshot.backupCodes);
        if (!reserved || !code) return;
        const { securityStamp } = snapshot.account;
        const entries = [entry('backup_code', code.id, null)];
        const use = { rows: 'backup codes', id: code.id } as const;
        const rest: Omit<VerificationCompletion, 'securityStamp'> = {
          ...{ userId, backupSetId: code.setId, entries, use, budget: 'backup_code', endsRecovery: false },
          ...{ policy: POLICY, nowMs },
        };
        const isSpent = await verification.spendAndSettle({ securityStamp, ...rest });
        if (!isSpent) await accounts.release(userId, 'backup_code', POLICY);
      },
      'end failures': () => accounts.endFailures(userId, oneOf(ATTEMPT_FACTORS)),
      'end locks': () => accounts.endLocks(userId),
      'clear budgets': () => accounts.clearBudgets(userId),
      'activate a further factor': () => commit({ activeFactors: active() }),
      regenerate: async () => commit({ backupSetId: await newSet() }),
      enroll: async () => commit({ activeFactors: active(), backupSetId: await newSet() }),
      disable: () => commit({ activeFactors: [], backupSetId: null }),
      'remove the codes': () => commit({ backupSetId: null }),
      invalidate: () => accounts.invalidate(userId),
    };
  }

  // Each database with the store that applications have there.
  const way = kind === 'postgres' ? 'one statement' : 'stepwise';
  it('equals the counters and the count of codes after random changes', async () => {
    for (let run = 0; run < 12; run += 1) {
      const userId = `random-${run}`;
      await stores().accounts.open(userId, NOW);
      const { regenerate, enroll, disable, ...others } = changesOf(userId, way);
      const always = Object.entries(others).filter(([name]) => name !== 'remove the codes');
      await enroll();
      for (let round = 0; round < 12; round += 1) {
        const started = [1, 2, 3].map(() => oneOf(random() < 0.7 ? always.slice(0, 3) : always));
        await Promise.all(started.map(([, change]) => change()));
        const names = started.map(([name]) => name).join(', ');
        const { stored, expected } = await summaryOf(userId);
        expect(stored, `user ${userId} after ${names}`).toEqual(expected);
        if (random() < 0.15) await oneOf([regenerate, disable, enroll, others['remove the codes']])();
        if (random() < 0.5) await enroll();
      }
    }
  });

  it('counts every code of a set that twenty parallel requests use', async () => {
    const userId = 'twenty';
    await stores().accounts.open(userId, NOW);
    const { enroll, 'use a backup code': use } = changesOf(userId, way);
    await enroll();
    await Promise.all(Array.from({ length: 20 }, use));
    const { stored, expected } = await summaryOf(userId);
    expect(stored).toEqual(expected);
    expect(stored.backup_codes_left).toBeLessThan(4);
  });

  it('corrects a number that is wrong, and changes nothing else', async () => {
    const userId = 'wrong';
    await stores().accounts.open(userId, NOW);
    await changesOf(userId, way).enroll();
    const before = await source.query(`SELECT * FROM mfa_account WHERE user_id = '${userId}'`);
    for (const wrong of ['7', 'NULL']) {
      await source.query(`UPDATE mfa_account SET backup_codes_left = ${wrong} WHERE user_id = '${userId}'`);
      await stores().backupCodes.recount(userId);
      expect(await source.query(`SELECT * FROM mfa_account WHERE user_id = '${userId}'`)).toEqual(before);
    }
  });
});
