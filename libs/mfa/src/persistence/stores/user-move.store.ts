import type { DataSource } from 'typeorm';
import { formatActiveFactors, type MfaAccount, parseActiveFactors } from '../../domain/accounts/account.js';
import {
  type CopiedSighting,
  type MovedAccount,
  type MoveTarget,
  MfaUserMoveStore,
} from '../../domain/accounts/user-move.store.js';
import { ATTEMPT_FACTORS, type AttemptBudget, type AttemptFactor } from '../../domain/attempts/attempt-policy.js';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import type { BackupCode } from '../../domain/backup-codes/backup-code.js';
import type { SpentEntry } from '../../domain/usage/usage.js';
import { MfaAccountEntity, MfaPasskeyEntity, MfaPolicySeenEntity, MfaUsageEntity } from '../entities/index.js';
import { isUniqueViolation } from '../statements/database-errors.js';
import { join, type Sql, sql } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import { BUDGET_COLUMNS, budgetColumns, NO_BUDGETS, unspentCodes } from './account-sql.js';
import { TypeOrmAuthenticatorStore } from './authenticator.store.js';
import { TypeOrmBackupCodeStore } from './backup-code.store.js';
import { rowsOf } from './row-mappers.js';

type Budgets = Readonly<Record<AttemptFactor, AttemptBudget>>;

/** {@link MfaUserMoveStore} on TypeORM. */
export class TypeOrmUserMoveStore extends MfaUserMoveStore {
  private readonly statements: StatementRunner;
  private readonly authenticators: TypeOrmAuthenticatorStore;
  private readonly backupCodes: TypeOrmBackupCodeStore;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
    this.authenticators = new TypeOrmAuthenticatorStore(dataSource, options);
    this.backupCodes = new TypeOrmBackupCodeStore(dataSource, options);
  }

  override async find(userId: string): Promise<MoveTarget | null> {
    const { records } = await this.statements.run(sql`
      SELECT user_id, security_stamp, row_version, active_ids, moved_from FROM ${MfaAccountEntity}
      WHERE user_id = ${userId}`);
    const [row] = rowsOf(userId, records);
    if (!row) return null;
    return {
      securityStamp: Number(row.security_stamp),
      rowVersion: Number(row.row_version),
      activeFactors: parseActiveFactors(row.active_ids as string),
      movedFrom: row.moved_from as string | null,
    };
  }

  override async copyAuthenticators(rows: readonly Authenticator[]): Promise<void> {
    for (const row of rows) await unlessThere(() => this.authenticators.add(row));
  }

  override async copyBackupCodes(rows: readonly BackupCode[]): Promise<void> {
    for (const row of rows) await unlessThere(() => this.backupCodes.add([row]));
  }

  override async copyUsage(userId: string, entries: readonly SpentEntry[]): Promise<void> {
    for (const { kind, item, spentAtMs, expiresAtMs } of entries) {
      await unlessThere(() =>
        this.statements.run(sql`
          INSERT INTO ${MfaUsageEntity} (user_id, kind, item, spent_at, expires_at)
          VALUES (${userId}, ${kind}, ${item}, ${spentAtMs}, ${expiresAtMs})`),
      );
    }
  }

  override async copySightings(userId: string, sightings: readonly CopiedSighting[]): Promise<boolean> {
    let isWritten = false;
    for (const sighting of sightings) {
      isWritten = (await this.insertSighting(userId, sighting)) || (await this.advanceSighting(userId, sighting));
    }
    return isWritten;
  }

  private insertSighting(userId: string, { policyId, firstSeenAtMs }: CopiedSighting): Promise<boolean> {
    return unlessThere(() =>
      this.statements.run(sql`
        INSERT INTO ${MfaPolicySeenEntity} (user_id, policy_id, first_seen_at)
        VALUES (${userId}, ${policyId}, ${firstSeenAtMs})`),
    );
  }

  // S101: a time only becomes earlier, so a grace period is never restarted.
  private async advanceSighting(userId: string, { policyId, firstSeenAtMs }: CopiedSighting): Promise<boolean> {
    const { affected } = await this.statements.run(sql`
      UPDATE ${MfaPolicySeenEntity} SET first_seen_at = ${firstSeenAtMs}
      WHERE user_id = ${userId} AND policy_id = ${policyId} AND first_seen_at > ${firstSeenAtMs}`);
    return affected === 1;
  }

  override async open(account: MovedAccount): Promise<boolean> {
    const { userId, securityStamp, rowVersion, activeFactors, backupSetId, userHandle, mustEnrollSinceMs } = account;
    const { budgets, movedFrom } = account;
    const values = ATTEMPT_FACTORS.flatMap((factor) => {
      const { failures, lockedUntilMs, dailyTatMs } = budgets[factor];
      return [failures, lockedUntilMs, dailyTatMs];
    });
    const { lockedUntil, mostFailures } = summaryOf(budgets);
    const left = activeFactors.length === 0 ? null : unspentCodes(userId, backupSetId);
    return unlessThere(() =>
      this.statements.run(sql`
        INSERT INTO ${MfaAccountEntity} (user_id, security_stamp, row_version, active_ids, backup_set_id, user_handle,
          must_enroll_since, moved_from, ${join(BUDGET_COLUMNS)}, locked_until, most_failures, backup_codes_left)
        VALUES (${userId}, ${securityStamp}, ${rowVersion}, ${formatActiveFactors(activeFactors)}, ${backupSetId},
          ${userHandle}, ${mustEnrollSinceMs}, ${movedFrom}, ${join(values)}, ${lockedUntil}, ${mostFailures}, ${left})`),
    );
  }

  override async raiseBudgets(userId: string, movedFrom: string, budgets: Budgets): Promise<void> {
    const { greatest } = this.statements.dialect;
    const raised = (column: Sql, value: number) => sql`${column} = ${greatest}(${column}, ${value})`;
    const { lockedUntil, mostFailures } = summaryOf(budgets);
    const columns = ATTEMPT_FACTORS.flatMap((factor) => {
      const budget = budgetColumns(factor);
      const { failures, lockedUntilMs, dailyTatMs } = budgets[factor];
      return [
        raised(budget.failures, failures),
        raised(budget.lockedUntil, lockedUntilMs),
        raised(budget.dailyTat, dailyTatMs),
      ];
    });
    const summary = [raised(sql`locked_until`, lockedUntil), raised(sql`most_failures`, mostFailures)];
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${join([...columns, ...summary])}
      WHERE user_id = ${userId} AND moved_from = ${movedFrom}`);
  }

  override async clearTombstone({ userId, activeFactors }: MfaAccount): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${NO_BUDGETS}
      WHERE user_id = ${userId} AND active_ids = ${formatActiveFactors(activeFactors)}`);
  }

  override async movePasskeys(from: string, to: string): Promise<void> {
    // A call that was overtaken must not take the passkeys of a user who was moved back.
    await this.statements.run(sql`
      UPDATE ${MfaPasskeyEntity} SET user_id = ${to} WHERE user_id = ${from}
        AND EXISTS (SELECT 1 FROM ${MfaAccountEntity} a WHERE a.user_id = ${to} AND a.moved_from = ${from})`);
  }

  override async end(userId: string, movedFrom: string): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET moved_from = NULL WHERE user_id = ${userId} AND moved_from = ${movedFrom}`);
  }
}

/** Returns `false` if the row is there already. */
async function unlessThere(insert: () => Promise<unknown>): Promise<boolean> {
  try {
    await insert();
    return true;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return false;
  }
}

/** The columns that the lists of administrators read, as `account-sql.ts` writes them. */
function summaryOf(budgets: Budgets): Record<'lockedUntil' | 'mostFailures', number> {
  const each = Object.values(budgets);
  const failures = Math.max(...each.map((budget) => budget.failures));
  const lockedUntil = Math.max(...each.map(({ lockedUntilMs }) => lockedUntilMs));
  return { lockedUntil, mostFailures: failures > 1 ? failures : 0 };
}
