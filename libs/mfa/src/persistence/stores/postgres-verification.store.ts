import type { DataSource } from 'typeorm';
import {
  type BegunVerification,
  MfaVerificationStore,
  type VerificationAttempt,
  type VerificationCompletion,
} from '../../domain/verification/verification.store.js';
import { isUniqueViolation } from '../database-errors.js';
import { MfaAccountEntity, MfaAuthenticatorEntity, MfaBackupCodeEntity, MfaUsageEntity } from '../entities/index.js';
import { type Sql, sql, type SqlDialect } from '../sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statement-runner.js';
import { budgetOpen, releasing, reserving, settling, snapshotQuery, tokenIsSpent } from './account-sql.js';
import { type Row, toSnapshot } from './rows.js';
import { usageRows } from './usage-sql.js';

/**
 * {@link MfaVerificationStore} on PostgreSQL: each step is one statement with data-modifying CTEs, so one commit.
 *
 * All parts of a statement see the snapshot of its beginning, and none sees what another one wrote. The one
 * exception is what safety rests on: an UPDATE that had to wait for the row of the account checks its conditions
 * on that row again, as it was committed meanwhile (READ COMMITTED; above it, it fails with 40001 and is tried again).
 * Conditions on other tables are not checked again; where they matter a unique key decides.
 */
export class PostgresVerificationStore extends MfaVerificationStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async begin(attempt: VerificationAttempt): Promise<BegunVerification> {
    const { userId, tokenId, factor } = attempt;
    const rows = factor === 'totp' ? 'authenticators' : 'backup codes';
    const further = sql`(SELECT COUNT(*) FROM reserved) AS reserved`;
    // The SELECT shows the account as it was before. When it changed while the UPDATE waited, the epoch of the
    // snapshot is an old one, and completing under it fails.
    const statement = sql`
      WITH reserved AS (${reservation(attempt, this.statements.dialect)})
      ${snapshotQuery({ userId, tokenId, rows, further })}`;
    const { records } = await this.statements.run(statement, {
      whenLate: (late) => (isReserved(late.records) ? this.release(attempt) : undefined),
    });
    return { snapshot: toSnapshot(records, { userId, tokenId, rows }), reserved: isReserved(records) };
  }

  /** A reservation that comes too late is of a guess that nobody evaluates (S54, S58). */
  private async release({ userId, factor, policy }: VerificationAttempt): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${releasing(factor, policy)} WHERE user_id = ${userId}`);
  }

  override async complete(completion: VerificationCompletion): Promise<boolean> {
    const { userId, epoch, backupSetId, entries, factor, policy, nowMs } = completion;
    if (entries.length === 0) return false;
    const liveSet = backupSetId === undefined ? sql`` : sql`AND backup_set_id = ${backupSetId}`;
    try {
      // `settled` locks the account and checks it as it is now; the others act on what it answers, so after it, and
      // parallel completions of a user take turns. What is spent already is a unique violation: then nothing of
      // the statement has happened, the settling neither.
      const { records } = await this.statements.run(sql`
        WITH settled AS (
          UPDATE ${MfaAccountEntity} SET ${settling(factor, policy)}
          WHERE user_id = ${userId} AND epoch = ${epoch} ${liveSet} RETURNING user_id
        ), spent AS (
          INSERT INTO ${MfaUsageEntity} (user_id, kind, item, spent_at, expires_at)
          SELECT s.user_id, e.kind, e.item, e.spent_at, e.expires_at
          FROM settled s CROSS JOIN (${usageRows(entries, nowMs, this.statements.dialect)}) e RETURNING 1
        ), used AS (${noting(completion)})
        SELECT COUNT(*) AS spent FROM spent`);
      // Anything but exactly what was to be spent issues nothing (S29).
      return Number(records[0]?.spent) === entries.length;
    } catch (error) {
      if (isUniqueViolation(error)) return false;
      throw error;
    }
  }
}

function isReserved([first]: readonly Row[]): boolean {
  return Number(first?.reserved) === 1;
}

/** Counts the attempt where all that `begin` demands is true. */
function reservation({ userId, epoch, tokenId, digits, ...terms }: VerificationAttempt, dialect: SqlDialect): Sql {
  return sql`
    UPDATE ${MfaAccountEntity} a SET ${reserving(terms, dialect)}
    WHERE a.user_id = ${userId} AND a.active_ids <> '' AND ${budgetOpen(terms)}
      ${epoch === undefined ? sql`` : sql`AND a.epoch = ${epoch}`}
      ${tokenId === undefined ? sql`` : sql`AND NOT ${tokenIsSpent(tokenId)}`}
      ${digits === undefined ? sql`` : sql`AND ${makesCodesOf(digits)}`}
    RETURNING 1`;
}

function makesCodesOf(digits: number): Sql {
  return sql`EXISTS (SELECT 1 FROM ${MfaAuthenticatorEntity} d WHERE d.user_id = a.user_id
    AND d.digits = ${digits} AND d.id = ANY(string_to_array(a.active_ids, ',')))`;
}

/** Notes the use for people, of the account that `settled` let through. */
function noting({ factor, credentialId, nowMs }: VerificationCompletion): Sql {
  return factor === 'totp'
    ? sql`UPDATE ${MfaAuthenticatorEntity} c SET last_used_at = ${nowMs} FROM settled s
        WHERE c.user_id = s.user_id AND c.id = ${credentialId}
          AND (c.last_used_at IS NULL OR c.last_used_at < ${nowMs})`
    : sql`UPDATE ${MfaBackupCodeEntity} c SET used_at = ${nowMs} FROM settled s
        WHERE c.user_id = s.user_id AND c.id = ${credentialId}`;
}
