import type { DataSource } from 'typeorm';
import {
  type AuditQuery,
  type AuditRow,
  type AuditState,
  MfaAuditStore,
  type Pseudonymisation,
  timePrefix,
} from '../../domain/audit/audit.store.js';
import { MfaAccountEntity, MfaAuditEntity } from '../entities/index.js';
import { isUniqueViolation } from '../statements/database-errors.js';
import { raw, type Sql, sql } from '../statements/sql.js';
import { StatementRunner, type TypeOrmStoreOptions } from '../statements/statement-runner.js';
import { purging } from './purging.js';

/** {@link MfaAuditStore} on TypeORM. */
export class TypeOrmAuditStore extends MfaAuditStore {
  private readonly statements: StatementRunner;

  constructor(dataSource: DataSource, options?: TypeOrmStoreOptions) {
    super();
    this.statements = new StatementRunner(dataSource, options);
  }

  override async add(
    { id, userId, state, event }: AuditRow,
    { patient = false, requiresAccount = false } = {},
  ): Promise<void> {
    const values = requiresAccount
      ? sql`SELECT ${id}, a.user_id, ${state}, ${event} FROM ${MfaAccountEntity} a WHERE a.user_id = ${userId}`
      : sql`VALUES (${id}, ${userId}, ${state}, ${event})`;
    try {
      await this.statements.run(sql`INSERT INTO ${MfaAuditEntity} (id, user_id, state, event) ${values}`, { patient });
    } catch (error) {
      if (state !== 'done' || !isUniqueViolation(error)) throw error;
      await this.finish(id);
    }
  }

  override async finish(id: string): Promise<void> {
    await this.statements.run(sql`UPDATE ${MfaAuditEntity} SET state = 'done' WHERE id = ${id}`, { patient: true });
  }

  override async copyLastChange(userId: string): Promise<void> {
    await copyLastChange(this.statements, userId);
    // Only what is copied is cleared: another change may have been first.
    await this.statements.run(sql`
      UPDATE ${MfaAccountEntity} SET last_change = NULL, last_change_id = NULL
      WHERE user_id = ${userId} AND EXISTS (SELECT 1 FROM ${MfaAuditEntity} u WHERE u.id = last_change_id)`);
  }

  override async listUncopied(limit: number): Promise<string[]> {
    const { records } = await this.statements.run(sql`
      SELECT user_id FROM ${MfaAccountEntity} WHERE last_change_id > '' ORDER BY last_change_id LIMIT ${limit}`);
    return records.map((row) => row.user_id as string);
  }

  override async list({ userId, after, limit }: AuditQuery): Promise<AuditRow[]> {
    const ofUser = userId === undefined ? sql`1 = 1` : sql`user_id = ${userId}`;
    const older = after === undefined ? sql`` : sql`AND id < ${after}`;
    const { records } = await this.statements.run(sql`
      SELECT id, user_id, state, event FROM ${MfaAuditEntity}
      WHERE ${ofUser} ${older} ORDER BY id DESC LIMIT ${limit}`);
    return records.map((row) => ({
      id: row.id as string,
      userId: row.user_id as string,
      state: row.state as AuditState,
      event: row.event as string,
    }));
  }

  override async listContaining(userId: string, text: string): Promise<string[]> {
    const { records } = await this.statements.run(sql`
      SELECT event FROM ${MfaAuditEntity} WHERE user_id = ${userId} AND event LIKE ${`%${text}%`}`);
    return records.map((row) => row.event as string);
  }

  override async pseudonymise(
    userId: string,
    { pseudonym, finishedId, replacements }: Pseudonymisation,
  ): Promise<void> {
    const event = replacements.reduce<Sql>(
      (text, [old, replacement]) => sql`REPLACE(${text}, ${old}, ${replacement})`,
      raw('event'),
    );
    await this.statements.run(sql`
      UPDATE ${MfaAuditEntity} SET user_id = ${pseudonym}, event = ${event},
        state = CASE WHEN id = ${finishedId} THEN 'done' ELSE state END
      WHERE user_id = ${userId}`);
    // A parallel purge may have replaced the user id first.
    if (finishedId) await this.finish(finishedId);
  }

  override async purge(beforeMs: number, limit: number): Promise<number> {
    const { dialect } = this.statements;
    const older = purging(MfaAuditEntity, timePrefix(beforeMs), limit, dialect, raw('id'));
    return (await this.statements.run(older)).affected;
  }
}

/** Inserts the last change of an account that is not in the table yet. */
// S121
export async function copyLastChange(statements: StatementRunner, userId: string): Promise<void> {
  try {
    await statements.run(copying(userId));
  } catch (error) {
    // Another process copied it in the meantime.
    if (!isUniqueViolation(error)) throw error;
  }
}

function copying(userId: string): Sql {
  return sql`
    INSERT INTO ${MfaAuditEntity} (id, user_id, state, event)
    SELECT a.last_change_id, a.user_id, 'done', a.last_change FROM ${MfaAccountEntity} a
    WHERE a.user_id = ${userId} AND a.last_change_id > ''
      AND NOT EXISTS (SELECT 1 FROM ${MfaAuditEntity} u WHERE u.id = a.last_change_id)`;
}
