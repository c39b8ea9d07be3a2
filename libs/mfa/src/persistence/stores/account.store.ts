import {
  type AccountSnapshot,
  type CredentialRows,
  type RecoveryCode,
  type VerificationSnapshot,
  formatActiveFactors,
} from '../../domain/accounts/account.js';
import type { DataSource } from 'typeorm';
import {
  type AccountChange,
  type AttemptReservation,
  type LoginSnapshot,
  type RowsClaim,
  MfaAccountStore,
} from '../../domain/accounts/account.store.js';
import { busyError } from '../../domain/mfa-error.js';
import { ATTEMPT_FACTORS, type AttemptFactor, type AttemptPolicy } from '../../domain/attempts/attempt-policy.js';
import { copyLastChange } from './audit.store.js';
import { isUniqueViolation } from '../statements/database-errors.js';
import { MfaAccountEntity } from '../entities/index.js';
import { join, raw, type RenderedSql, type Sql, sql } from '../statements/sql.js';
import { type SendStatement, StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import {
  BUDGET_COLUMNS,
  budgetColumns,
  budgetOpen,
  codesLeftOf,
  ENDING_RECOVERY,
  endingFailures,
  NO_BUDGETS,
  securityStampQuery,
  releasing,
  reserving,
  settling,
  snapshotQuery,
  unspentCodes,
} from './account-sql.js';
import { optionalNumber, type Row, rowsOf, type SnapshotClaim, toDevice, toSnapshot } from './row-mappers.js';

/** A snapshot to read, of one user or also of the account whose id is in lower case, and a sighting and a device of the user. */
export type SnapshotQuery = SnapshotClaim & { lowerCaseId?: string; policyId?: string; deviceLookupHash?: string };

/** {@link MfaAccountStore} on TypeORM. */
export class TypeOrmAccountStore extends MfaAccountStore {
  protected readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions, send?: SendStatement) {
    super();
    this.statements = new StatementRunner(dataSource, options, send);
  }

  override async load(userId: string, tokenId?: string): Promise<AccountSnapshot | null> {
    const snapshot = await this.read({ userId, tokenId, rows: 'authenticators' });
    return snapshot && accountOf(snapshot);
  }

  override async loadForLogin(userId: string, policyId?: string, deviceLookupHash?: string): Promise<LoginSnapshot> {
    const lowerCased = userId.toLowerCase();
    const lowerCaseId = lowerCased === userId ? undefined : lowerCased;
    const records = await this.query({ userId, lowerCaseId, policyId, deviceLookupHash, rows: 'authenticators' });
    const snapshot = toSnapshot(records, { userId, rows: 'authenticators' });
    const [first] = rowsOf(userId, records);
    return {
      snapshot: snapshot && accountOf(snapshot),
      otherCase: records.some((row) => row.user_id === lowerCaseId),
      policySeenAtMs: optionalNumber(first?.policy_seen_at ?? null),
      device: first?.d_user_id === userId ? toDevice(first) : null,
    };
  }

  override async securityStampOf(userId: string): Promise<number | null> {
    const { records } = await this.statements.run(this.securityStampStatement(userId));
    const [row] = rowsOf(userId, records);
    return row ? Number(row.security_stamp) : null;
  }

  override async loadMany(userIds: readonly string[]): Promise<AccountSnapshot[]> {
    if (userIds.length === 0) return [];
    const { records } = await this.statements.run(snapshotQuery({ userId: userIds, rows: 'authenticators' }));
    return [...new Set(userIds)].flatMap((userId) => {
      const own = records.filter((row) => row.user_id === userId);
      const snapshot = toSnapshot(own, { userId, rows: 'authenticators' });
      return snapshot ? [accountOf(snapshot)] : [];
    });
  }

  override async loadWith(
    rows: CredentialRows,
    userId: string,
    claim: RowsClaim = {},
  ): Promise<VerificationSnapshot | null> {
    return this.read({ ...claim, userId, rows });
  }

  override async open(userId: string, nowMs: number): Promise<void> {
    const zeros = BUDGET_COLUMNS.map(() => raw('0'));
    try {
      await this.statements.run(sql`
        INSERT INTO ${MfaAccountEntity} (user_id, security_stamp, row_version, active_ids, ${join(BUDGET_COLUMNS)})
        VALUES (${userId}, ${nowMs}, ${nowMs}, '', ${join(zeros)})`);
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
    }
  }

  override async commit(userId: string, rowVersion: number, change: AccountChange): Promise<boolean> {
    // A process that ended may have left an event here, which this change would overwrite.
    if (change.lastChange) await copyLastChange(this.statements, userId);
    // It waits without a deadline: a change that commits after its deadline would have no event and show no codes (S39, S60).
    const { affected } = await this.statements.run(switchingOver(userId, rowVersion, change), { patient: true });
    return affected === 1;
  }

  override async tryCommit(userId: string, rowVersion: number, change: AccountChange): Promise<boolean> {
    const { affected } = await this.statements.run(switchingOver(userId, rowVersion, change));
    return affected === 1;
  }

  override async reserve({ userId, securityStamp, ...attempt }: AttemptReservation): Promise<boolean> {
    const statement = sql`
      UPDATE ${MfaAccountEntity} SET ${reserving(attempt, this.statements.dialect)}
      WHERE user_id = ${userId} AND security_stamp = ${securityStamp} AND ${budgetOpen(attempt, this.statements.dialect)}`;
    // A reservation that commits after its deadline belongs to a guess that is never evaluated (S54, S58).
    const release = () => this.release(userId, attempt.factor, attempt.policy);
    const { affected } = await this.statements.run(statement, {
      whenLate: (late) => (late.affected === 1 ? release() : undefined),
    });
    return affected === 1;
  }

  override async settle(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${settling({ factor, policy }, codesLeftOf(userId), this.statements.dialect)}
      WHERE user_id = ${userId}`);
  }

  override async release(userId: string, factor: AttemptFactor, policy: AttemptPolicy): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${releasing(factor, policy, this.statements.dialect)} WHERE user_id = ${userId}`);
  }

  override async endFailures(userId: string, factor: AttemptFactor): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${endingFailures(factor, this.statements.dialect)} WHERE user_id = ${userId}`);
  }

  override async endRecovery(userId: string): Promise<void> {
    await this.statements.run(sql`UPDATE ${MfaAccountEntity} SET ${ENDING_RECOVERY} WHERE user_id = ${userId}`);
  }

  override async endLocks(userId: string): Promise<void> {
    const open = ATTEMPT_FACTORS.map((factor) => sql`${budgetColumns(factor).lockedUntil} = 0`);
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${join(open)}, locked_until = 0 WHERE user_id = ${userId}`);
  }

  override async clearBudgets(userId: string): Promise<void> {
    await this.statements.run(sql`UPDATE ${MfaAccountEntity} SET ${NO_BUDGETS} WHERE user_id = ${userId}`);
  }

  override async claimUserHandle(userId: string, handle: string): Promise<string> {
    const { affected } = await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET user_handle = ${handle} WHERE user_id = ${userId} AND user_handle IS NULL`);
    if (affected === 1) return handle;
    const { records } = await this.statements.run(sql`
      SELECT user_id, user_handle FROM ${MfaAccountEntity} WHERE user_id = ${userId}`);
    const [row] = rowsOf(userId, records);
    if (typeof row?.user_handle !== 'string') throw busyError();
    return row.user_handle;
  }

  override async invalidate(userId: string): Promise<void> {
    // `row_version` rises too, or a commit that read the old security stamp could set the same new one again.
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET security_stamp = security_stamp + 1, row_version = row_version + 1, pending_id = NULL
      WHERE user_id = ${userId}`);
  }

  override async remove(userId: string, rowVersion?: number): Promise<boolean> {
    const isCurrent = rowVersion === undefined ? sql`` : sql`AND row_version = ${rowVersion}`;
    const { affected } = await this.statements.run(sql`
      DELETE FROM ${MfaAccountEntity} WHERE user_id = ${userId} ${isCurrent}`);
    return rowVersion === undefined || affected === 1;
  }

  private async read(claim: SnapshotClaim): Promise<VerificationSnapshot | null> {
    return toSnapshot(await this.query(claim), claim);
  }

  private async query(query: SnapshotQuery): Promise<Row[]> {
    return (await this.statements.run(this.snapshotStatement(query))).records;
  }

  /** The statement of a read that every login sends. PostgreSQL has its own. */
  protected snapshotStatement(query: SnapshotQuery): Sql | RenderedSql {
    return snapshotQuery(query);
  }

  /** The same for the read of the security stamp. */
  protected securityStampStatement(userId: string): Sql | RenderedSql {
    return securityStampQuery({ userId });
  }
}

function accountOf({ account, authenticators, backupCodesRemaining, tokenSpent }: VerificationSnapshot) {
  return { account, authenticators, backupCodesRemaining, tokenSpent };
}

function switchingOver(userId: string, rowVersion: number, change: AccountChange): Sql {
  return sql`
    UPDATE ${MfaAccountEntity} SET ${join([...assignments(userId, change), sql`row_version = row_version + 1`])}
    WHERE user_id = ${userId} AND row_version = ${rowVersion}`;
}

function assignments(
  userId: string,
  { securityStamp, activeFactors, pendingId, backupSetId, ...change }: AccountChange,
): Sql[] {
  const { mustEnrollSinceMs, recovery, lastChange } = change;
  return [
    ...(securityStamp === undefined ? [] : [sql`security_stamp = ${securityStamp}`]),
    ...(activeFactors === undefined ? [] : [sql`active_ids = ${formatActiveFactors(activeFactors)}`]),
    ...(pendingId === undefined ? [] : [sql`pending_id = ${pendingId}`]),
    ...(backupSetId === undefined ? [] : [sql`backup_set_id = ${backupSetId}`]),
    ...countingCodes(userId, { activeFactors, backupSetId }),
    ...(mustEnrollSinceMs === undefined ? [] : [sql`must_enroll_since = ${mustEnrollSinceMs}`]),
    ...(recovery === undefined ? [] : [recovery === null ? ENDING_RECOVERY : startingRecovery(recovery)]),
    ...(lastChange ? [sql`last_change = ${lastChange.event}, last_change_id = ${lastChange.id}`] : []),
  ];
}

/** What the change makes of the number of unspent backup codes. NULL = MFA is off. */
function countingCodes(userId: string, change: Pick<AccountChange, 'activeFactors' | 'backupSetId'>): Sql[] {
  const { activeFactors, backupSetId } = change;
  if (activeFactors === undefined && backupSetId === undefined) return [];
  if (activeFactors?.length === 0) return [raw('backup_codes_left = NULL')];
  if (backupSetId === undefined) return [raw('backup_codes_left = COALESCE(backup_codes_left, 0)')];
  const left = backupSetId === null ? raw('0') : unspentCodes(userId, backupSetId);
  const counted = activeFactors ? left : sql`CASE WHEN active_ids = '' THEN NULL ELSE ${left} END`;
  return [sql`backup_codes_left = ${counted}`];
}

function startingRecovery({ hash, expiresAtMs }: RecoveryCode): Sql {
  return sql`recovery_hash = ${hash}, recovery_expires_at = ${expiresAtMs}`;
}
