import type { DataSource } from 'typeorm';
import {
  type ReservedAttempt,
  MfaVerificationStore,
  type VerificationAttempt,
  type VerificationCompletion,
  type VerificationFactor,
} from '../../domain/verification/verification.store.js';
import { isUniqueViolation } from '../statements/database-errors.js';
import { MfaAccountEntity, MfaAuthenticatorEntity, MfaBackupCodeEntity, MfaUsageEntity } from '../entities/index.js';
import { NamedQueries } from './named-queries.js';
import { StatementTemplates, type SlotsOf } from './statement-templates.js';
import { type Slot, type Sql, sql, type SqlDialect } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import {
  budgetOpen,
  releasing,
  reserving,
  settling,
  snapshotQuery,
  type SnapshotParams,
  tokenIsSpent,
} from '../stores/account-sql.js';
import { type Row, toSnapshot } from '../stores/row-mappers.js';
import { inOrder, usageRows, usageSlots, usageValues } from '../stores/usage.store.js';

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
  private readonly templates: StatementTemplates;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options, new NamedQueries(dataSource).send);
    this.templates = new StatementTemplates(this.statements.dialect);
  }

  override async reserveAttempt(attempt: VerificationAttempt): Promise<ReservedAttempt> {
    const { userId, securityStamp, token, factor, digits, policy, nowMs } = attempt;
    const tokenId = token?.item;
    const rows = factor === 'totp' ? 'authenticators' : 'backup codes';
    const statement = this.templates.bind(
      { scope: policy, kind: `begin ${factor}` },
      { userId, securityStamp, tokenId, digits, nowMs },
      (slots) => reserveStatement(slots, { factor, policy, rows }, this.statements.dialect),
    );
    const { records } = await this.statements.run(statement, {
      whenLate: (late) => (isReserved(late.records) ? this.release(attempt) : undefined),
    });
    return { snapshot: toSnapshot(records, { userId, tokenId, rows }), reserved: isReserved(records) };
  }

  /** Takes back a reservation that committed after its deadline. Its guess is never evaluated. */
  // S54, S58
  private async release({ userId, factor, policy }: VerificationAttempt): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${releasing(factor, policy)} WHERE user_id = ${userId}`);
  }

  override async spendAndSettle(completion: VerificationCompletion): Promise<boolean> {
    const { userId, securityStamp, backupSetId, entries, factor, credentialId, policy, nowMs } = completion;
    if (entries.length === 0) return false;
    const statement = this.templates.bind(
      { scope: policy, kind: `complete ${factor}` },
      { userId, securityStamp, backupSetId, credentialId, nowMs, ...usageValues(inOrder(entries)) },
      (slots) => settleStatement(slots, { factor, policy }, this.statements.dialect),
    );
    try {
      const { records } = await this.statements.run(statement);
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

/** What the texts depend on besides which values are given. */
type StatementParams = Pick<VerificationAttempt, 'factor' | 'policy'>;

type ReserveSlots = SlotsOf<
  Pick<VerificationAttempt, 'userId' | 'securityStamp' | 'digits' | 'nowMs'> & { tokenId?: string }
>;

/**
 * The SELECT shows the account as it was before. When it changed while the UPDATE waited, the security stamp of the snapshot
 * is an old one, and completing under it fails.
 */
function reserveStatement(
  slots: ReserveSlots,
  { rows, ...params }: StatementParams & Pick<SnapshotParams, 'rows'>,
  dialect: SqlDialect,
): Sql {
  const further = sql`(SELECT COUNT(*) FROM reserved) AS reserved`;
  return sql`
    WITH reserved AS (${reservation(slots, params, dialect)})
    ${snapshotQuery({ ...slots, rows, further })}`;
}

/** Counts the attempt when every condition of `reserveAttempt` holds. */
function reservation(
  { userId, securityStamp, tokenId, digits, nowMs }: ReserveSlots,
  params: StatementParams,
  dialect: SqlDialect,
): Sql {
  return sql`
    UPDATE ${MfaAccountEntity} a SET ${reserving({ ...params, nowMs }, dialect)}
    WHERE a.user_id = ${userId} AND a.active_ids <> '' AND ${budgetOpen({ ...params, nowMs }, dialect)}
      ${securityStamp ? sql`AND a.security_stamp = ${securityStamp}` : sql``}
      ${tokenId ? sql`AND NOT ${tokenIsSpent(tokenId)}` : sql``}
      ${digits ? sql`AND ${makesCodesOf(digits)}` : sql``}
    RETURNING 1`;
}

function makesCodesOf(digits: Slot): Sql {
  return sql`EXISTS (SELECT 1 FROM ${MfaAuthenticatorEntity} d WHERE d.user_id = a.user_id
    AND d.digits = ${digits} AND 'totp:' || d.id = ANY(string_to_array(a.active_ids, ',')))`;
}

type SettleSlots = SlotsOf<
  Pick<VerificationCompletion, 'userId' | 'securityStamp' | 'backupSetId' | 'credentialId' | 'nowMs'>
>;

/**
 * `settled` locks the account row and checks it. The other parts read its result, so parallel requests of a user take
 * turns. If an item is already spent, a unique violation undoes the whole statement.
 */
function settleStatement(slots: SettleSlots, { factor, policy }: StatementParams, dialect: SqlDialect): Sql {
  const { userId, securityStamp, backupSetId, nowMs } = slots;
  return sql`
    WITH settled AS (
      UPDATE ${MfaAccountEntity} SET ${settling(factor, policy)}
      WHERE user_id = ${userId} AND security_stamp = ${securityStamp} ${backupSetId ? sql`AND backup_set_id = ${backupSetId}` : sql``}
      RETURNING user_id
    ), spent AS (
      INSERT INTO ${MfaUsageEntity} (user_id, kind, item, spent_at, expires_at)
      SELECT s.user_id, e.kind, e.item, e.spent_at, e.expires_at
      FROM settled s CROSS JOIN (${usageRows(usageSlots({ ...slots }), nowMs, dialect)}) e RETURNING 1
    ), used AS (${noting(slots, factor, dialect)})
    SELECT COUNT(*) AS spent FROM spent`;
}

/** Notes the use for people, of the account that `settled` let through. */
function noting({ credentialId, nowMs }: SettleSlots, factor: VerificationFactor, { integer }: SqlDialect): Sql {
  const now = sql`CAST(${nowMs} AS ${integer})`;
  return factor === 'totp'
    ? sql`UPDATE ${MfaAuthenticatorEntity} c SET last_used_at = ${now} FROM settled s
        WHERE c.user_id = s.user_id AND c.id = ${credentialId}
          AND (c.last_used_at IS NULL OR c.last_used_at < ${now})`
    : sql`UPDATE ${MfaBackupCodeEntity} c SET used_at = ${now} FROM settled s
        WHERE c.user_id = s.user_id AND c.id = ${credentialId}`;
}
