import type { DataSource } from 'typeorm';
import type { CredentialRows } from '../../domain/accounts/account.js';
import { mayAttempt } from '../../domain/verification/attempt-rules.js';
import {
  type ReservedAttempt,
  MfaVerificationStore,
  type VerificationAttempt,
  type VerificationCompletion,
} from '../../domain/verification/verification.store.js';
import { isUniqueViolation } from '../statements/database-errors.js';
import {
  MfaAccountEntity,
  MfaAuthenticatorEntity,
  MfaBackupCodeEntity,
  MfaPasskeyEntity,
  MfaUsageEntity,
} from '../entities/index.js';
import { NamedQueries } from './named-queries.js';
import { StatementTemplates, type SlotsOf } from './statement-templates.js';
import { raw, type Slot, type Sql, sql, type SqlDialect } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import {
  type BudgetParams,
  budgetOpen,
  ENDING_RECOVERY,
  releasing,
  reserving,
  settling,
  snapshotQuery,
  type SnapshotParams,
  tokenIsSpent,
} from '../stores/account-sql.js';
import { passkeyUse } from '../stores/passkey-sql.js';
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
    const { userId, securityStamp, token, credentialHash, digits, type, nowMs } = attempt;
    if (attempt.budget === null) return this.admit(attempt);
    const { budget, policy, rows } = attempt;
    const tokenId = token?.item;
    const statement = this.templates.bind(
      { scope: policy, kind: `begin ${budget} ${rows}` },
      { userId, securityStamp, tokenId, credentialHash, digits, nowMs, typeStart: type && `,${type}:` },
      (slots) => reserveStatement(slots, { factor: budget, policy, rows }, this.statements.dialect),
    );
    const { records } = await this.statements.run(statement, {
      whenLate: (late) => (isReserved(late.records) ? this.release({ userId, factor: budget, policy }) : undefined),
    });
    return { snapshot: toSnapshot(records, { userId, tokenId, rows }), reserved: isReserved(records) };
  }

  /** Reads the account for a proof that costs no attempt. Writes nothing. */
  private async admit(attempt: VerificationAttempt): Promise<ReservedAttempt> {
    const { userId, token, credentialHash, policy, rows } = attempt;
    const tokenId = token?.item;
    const statement = this.templates.bind(
      { scope: policy, kind: `admit ${rows}` },
      { userId, tokenId, credentialHash },
      (slots) => snapshotQuery({ ...slots, rows }),
    );
    const { records } = await this.statements.run(statement);
    const snapshot = toSnapshot(records, { userId, tokenId, rows });
    return { snapshot, reserved: snapshot !== null && mayAttempt(snapshot, attempt) };
  }

  /** Takes back a reservation that committed after its deadline. Its guess is never evaluated. */
  // S54, S58
  private async release({ userId, factor, policy }: { userId: string } & StatementParams): Promise<void> {
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET ${releasing(factor, policy, this.statements.dialect)} WHERE user_id = ${userId}`);
  }

  override async spendAndSettle(completion: VerificationCompletion): Promise<boolean> {
    const { userId, securityStamp, backupSetId, recoveryHash, entries, budget, use, policy, nowMs } = completion;
    const endsRecovery = budget === null && completion.endsRecovery;
    if (entries.length === 0) return false;
    const statement = this.templates.bind(
      { scope: policy, kind: `complete ${budget} ${use?.rows}${endsRecovery ? ' recovery' : ''}` },
      { userId, securityStamp, backupSetId, recoveryHash, nowMs, ...useValues(use), ...usageValues(inOrder(entries)) },
      (slots) => {
        const params = { budget, policy, endsRecovery, rows: use?.rows ?? ('none' as const) };
        return settleStatement(slots, params, this.statements.dialect);
      },
    );
    try {
      const { records } = await this.statements.run(statement, {
        whenUnwritten: () => (budget === null ? undefined : this.release({ userId, factor: budget, policy })),
      });
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
type StatementParams = Pick<BudgetParams, 'factor' | 'policy'>;

type ReserveSlots = SlotsOf<
  Pick<VerificationAttempt, 'userId' | 'securityStamp' | 'credentialHash' | 'digits' | 'nowMs'> & {
    tokenId?: string;
    typeStart?: string;
  }
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
  { userId, securityStamp, tokenId, digits, typeStart, nowMs }: ReserveSlots,
  params: StatementParams,
  dialect: SqlDialect,
): Sql {
  return sql`
    UPDATE ${MfaAccountEntity} a SET ${reserving({ ...params, nowMs }, dialect)}
    WHERE a.user_id = ${userId} AND a.active_ids <> '' AND ${budgetOpen({ ...params, nowMs }, dialect)}
      ${securityStamp ? sql`AND a.security_stamp = ${securityStamp}` : sql``}
      ${tokenId ? sql`AND NOT ${tokenIsSpent(tokenId)}` : sql``}
      ${digits ? sql`AND ${makesCodesOf(digits)}` : sql``}
      ${typeStart ? sql`AND strpos(',' || a.active_ids, ${typeStart}) > 0` : sql``}
    RETURNING 1`;
}

function makesCodesOf(digits: Slot): Sql {
  return sql`EXISTS (SELECT 1 FROM ${MfaAuthenticatorEntity} d WHERE d.user_id = a.user_id
    AND d.digits = ${digits} AND 'totp:' || d.id = ANY(string_to_array(a.active_ids, ',')))`;
}

type SettleSlots = SlotsOf<
  Pick<VerificationCompletion, 'userId' | 'securityStamp' | 'backupSetId' | 'recoveryHash' | 'nowMs'> & UseValues
>;

/** The use of a credential as values of a prepared statement. Flags are 0 or 1. */
function useValues(use: VerificationCompletion['use']): UseValues {
  if (use?.rows !== 'passkeys') return { usedId: use?.id };
  const { id: usedId, counter, backedUp, userVerified } = use;
  const counters = { counter: counter.to, counterFrom: counter.from ?? undefined };
  return { usedId, ...counters, backedUp: Number(backedUp), userVerified: Number(userVerified) };
}

type UseValues = { usedId: string | undefined } & {
  [Name in 'counter' | 'counterFrom' | 'backedUp' | 'userVerified']?: number | undefined;
};

type SettleParams = Pick<VerificationCompletion, 'budget' | 'policy' | 'endsRecovery'> & { rows: CredentialRows };

/**
 * `settled` locks the account row and checks it. `used` records the use of the credential, and `spent` needs a row of
 * both. So parallel requests of a user take turns, and of two uses of one counter the second spends nothing. If an item
 * is already spent, a unique violation undoes the whole statement.
 */
function settleStatement(slots: SettleSlots, params: SettleParams, dialect: SqlDialect): Sql {
  const { userId, securityStamp, backupSetId, recoveryHash, nowMs } = slots;
  const { rows } = params;
  const isAsRead = sql`user_id = ${userId} AND security_stamp = ${securityStamp}
    ${backupSetId ? sql`AND backup_set_id = ${backupSetId}` : sql``}${
      recoveryHash ? sql` AND recovery_hash = ${recoveryHash}` : sql``
    }`;
  const changes = settlingChanges(params, dialect);
  const settled = changes
    ? sql`UPDATE ${MfaAccountEntity} SET ${changes} WHERE ${isAsRead} RETURNING user_id`
    : sql`SELECT user_id FROM ${MfaAccountEntity} WHERE ${isAsRead} FOR NO KEY UPDATE`;
  const used = recording(slots, rows, dialect);
  return sql`
    WITH settled AS (${settled}) ${used ? sql`, used AS (${used} RETURNING 1)` : sql``}, spent AS (
      INSERT INTO ${MfaUsageEntity} (user_id, kind, item, spent_at, expires_at)
      SELECT s.user_id, e.kind, e.item, e.spent_at, e.expires_at
      FROM settled s CROSS JOIN (${usageRows(usageSlots({ ...slots }), nowMs, dialect)}) e
      ${rows === 'passkeys' ? sql`WHERE EXISTS (SELECT 1 FROM used)` : sql``} RETURNING 1
    )
    SELECT COUNT(*) AS spent FROM spent`;
}

/** What an accepted proof changes in the account row. `null` = nothing, so the row is only locked. */
function settlingChanges({ budget, policy, endsRecovery }: SettleParams, dialect: SqlDialect): Sql | null {
  // One fewer than the newest row has: a count would not see a code that a parallel request spent.
  if (budget) return settling({ factor: budget, policy }, raw('backup_codes_left - 1'), dialect);
  return endsRecovery ? ENDING_RECOVERY : null;
}

/** Records the use, of the account that `settled` let through. `null` = the module stores no such credential. */
function recording(slots: SettleSlots, rows: CredentialRows, dialect: SqlDialect): Sql | null {
  const { usedId, counter, counterFrom, backedUp, userVerified } = slots;
  if (!usedId) return null;
  const number = (slot: Slot | undefined) => sql`CAST(${slot!} AS ${dialect.integer})`;
  const now = number(slots.nowMs);
  const isOwn = sql`c.user_id = s.user_id AND c.id = ${usedId}`;
  switch (rows) {
    case 'authenticators':
      return sql`UPDATE ${MfaAuthenticatorEntity} c SET last_used_at = ${now} FROM settled s
        WHERE ${isOwn} AND (c.last_used_at IS NULL OR c.last_used_at < ${now})`;
    case 'backup codes':
      return sql`UPDATE ${MfaBackupCodeEntity} c SET used_at = ${now} FROM settled s WHERE ${isOwn}`;
    case 'passkeys':
      return sql`UPDATE ${MfaPasskeyEntity} c SET ${passkeyUse(
        { counter: number(counter), backedUp: number(backedUp), userVerified: number(userVerified), nowMs: now },
        dialect,
      )} FROM settled s
        WHERE ${isOwn} ${counterFrom ? sql`AND c.counter = ${counterFrom}` : sql``}`;
    case 'none':
      return null;
  }
}
