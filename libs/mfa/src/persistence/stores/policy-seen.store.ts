import type { DataSource } from 'typeorm';
import { busyError } from '../../domain/mfa-error.js';
import {
  type DueQuery,
  type DueUser,
  MfaPolicySeenStore,
  type PolicySighting,
} from '../../domain/policy/policy-seen.store.js';
import { MfaAccountEntity, MfaPolicySeenEntity } from '../entities/index.js';
import { isUniqueViolation } from '../statements/database-errors.js';
import { join, literal, type Sql, sql } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import { rowsOf } from './row-mappers.js';

/** {@link MfaPolicySeenStore} on TypeORM. */
export class TypeOrmPolicySeenStore extends MfaPolicySeenStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async firstSeen(userId: string, policyId: string): Promise<number | null> {
    const sightings = await this.read(userId, sql`AND policy_id = ${policyId}`);
    return sightings.find((each) => each.policyId === policyId)?.firstSeenAtMs ?? null;
  }

  // S101: only the insert decides, so that of parallel logins one sets the time.
  override async record(userId: string, policyId: string, nowMs: number): Promise<number> {
    try {
      await this.statements.run(sql`
        INSERT INTO ${MfaPolicySeenEntity} (user_id, policy_id, first_seen_at)
        VALUES (${userId}, ${policyId}, ${nowMs})`);
      return nowMs;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
    }
    const recorded = await this.firstSeen(userId, policyId);
    if (recorded === null) throw busyError();
    return recorded;
  }

  override async list(userId: string): Promise<PolicySighting[]> {
    return this.read(userId);
  }

  override async removeAll(userId: string): Promise<void> {
    await this.statements.run(sql`DELETE FROM ${MfaPolicySeenEntity} WHERE user_id = ${userId}`);
  }

  override async listDue({ policyId, seenBeforeMs, after, limit, methods }: DueQuery): Promise<DueUser[]> {
    const { records } = await this.statements.run(sql`
      SELECT p.user_id, p.first_seen_at FROM ${MfaPolicySeenEntity} p
      WHERE p.policy_id = ${policyId} AND p.first_seen_at <= ${seenBeforeMs} ${after ? follows(after) : sql``}
        AND ${lacksFactor(methods)}
      ORDER BY p.first_seen_at, p.user_id LIMIT ${limit}`);
    return records.map((row) => ({ userId: row.user_id as string, firstSeenAtMs: Number(row.first_seen_at) }));
  }

  private async read(userId: string, further: Sql = sql``): Promise<PolicySighting[]> {
    const { records } = await this.statements.run(sql`
      SELECT user_id, policy_id, first_seen_at FROM ${MfaPolicySeenEntity}
      WHERE user_id = ${userId} ${further} ORDER BY first_seen_at, policy_id`);
    return rowsOf(userId, records).map((row) => ({
      policyId: row.policy_id as string,
      firstSeenAtMs: Number(row.first_seen_at),
    }));
  }
}

/** Whether `p` comes after the user. The first condition is implied by the second; every database finds a range by it. */
function follows({ userId, firstSeenAtMs }: DueUser): Sql {
  return sql`AND p.first_seen_at >= ${firstSeenAtMs}
    AND (p.first_seen_at > ${firstSeenAtMs} OR p.user_id > ${userId})`;
}

/**
 * Whether the user `p` has no factor, or none of these methods. A value for each row and not NOT EXISTS: PostgreSQL would
 * join that with the whole table of accounts, and then sort.
 */
function lacksFactor(methods: DueQuery['methods']): Sql {
  return sql`COALESCE((SELECT CASE WHEN ${hasFactor(methods)} THEN 1 ELSE 0 END
    FROM ${MfaAccountEntity} a WHERE a.user_id = p.user_id), 0) = 0`;
}

/** Whether the account `a` has a factor, or one of these methods. */
function hasFactor(methods: DueQuery['methods']): Sql {
  if (methods === null) return sql`a.active_ids <> ''`;
  return methods.length === 0 ? sql`1 = 0` : sql`(${join(methods.map(hasMethod), ' OR ')})`;
}

/** The list starts with such an entry, or has one further on. LIKE would ignore the case on SQLite. */
function hasMethod(method: string): Sql {
  return sql`SUBSTR(a.active_ids, 1, ${literal(method.length + 1)}) = ${`${method}:`}
    OR REPLACE(a.active_ids, ${`,${method}:`}, '') <> a.active_ids`;
}
