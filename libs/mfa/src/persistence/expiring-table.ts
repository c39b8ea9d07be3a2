import 'reflect-metadata';
import { Brackets, type DataSource, type EntityMetadata, type QueryRunner } from 'typeorm';
import { MfaError } from '../domain/mfa-error.js';
import type { MfaExpiringTable } from '../options/mfa-options.js';
import { StatementRunner } from './statements/statement-runner.js';

type ColumnMetadata = EntityMetadata['columns'][number];

interface ExpiryColumn {
  metadata: EntityMetadata;
  column: ColumnMetadata;
}

/** What a batch is deleted by. */
interface Purge extends ExpiryColumn {
  dataSource: DataSource;
  runner: QueryRunner;
  /** The latest expiry that goes, in the form in which the driver stores the column. */
  cutoff: unknown;
}

/** A primary key as the driver returns it, by column name. */
type Key = Record<string, unknown>;

/** Bound parameters of one DELETE stay far below the limit of every driver. */
const KEYS_PER_DELETE = 500;

/**
 * Removes up to `limit` rows that expired by `nowMs`, oldest first. Rows without an expiry stay. Safe on several
 * instances at once: a row that is prolonged meanwhile stays.
 * @returns how many rows it removed
 * @throws MfaError `MFA_MISCONFIGURED` for an unknown entity or property
 */
export async function purgeExpiring(
  dataSource: DataSource,
  table: MfaExpiringTable,
  nowMs: number,
  limit: number,
): Promise<number> {
  const expiry = requireExpiryColumn(dataSource, table);
  const cutoff = persistedTime(dataSource, expiry.column, nowMs - (table.graceSeconds ?? 0) * 1_000);
  const statements = new StatementRunner(dataSource);
  const keys = await statements.retried((runner) => expiredKeys({ ...expiry, dataSource, runner, cutoff }, limit));
  let removed = 0;
  for (let start = 0; start < keys.length; start += KEYS_PER_DELETE) {
    const batch = keys.slice(start, start + KEYS_PER_DELETE);
    removed += await statements.retried((runner) => removeExpired({ ...expiry, dataSource, runner, cutoff }, batch));
  }
  return removed;
}

/**
 * Checks at start-up that {@link purgeExpiring} can clean the table.
 * @throws MfaError `MFA_MISCONFIGURED`
 */
export function requireExpiryColumn(dataSource: DataSource, { entity, expiresAt }: MfaExpiringTable): ExpiryColumn {
  if (!dataSource.hasMetadata(entity)) {
    throw misconfigured(`${entity.name} is not an entity of the DataSource that holds the MFA tables`);
  }
  const metadata = dataSource.getMetadata(entity);
  const column = metadata.findColumnWithPropertyName(expiresAt);
  if (!column) throw misconfigured(`${entity.name} has no column for a property "${expiresAt}"`);
  if (!holdsDate(column) && !holdsNumber(column)) {
    throw misconfigured(
      `${entity.name}.${expiresAt} ("${typeName(column)}") holds neither dates nor epoch milliseconds`,
    );
  }
  return { metadata, column };
}

async function expiredKeys({ dataSource, runner, metadata, column, cutoff }: Purge, limit: number): Promise<Key[]> {
  // With the rows that are deleted softly: they expire too.
  const query = dataSource.createQueryBuilder(metadata.target, 'expired', runner).withDeleted().select([]);
  for (const { databaseName, propertyPath } of metadata.primaryColumns) {
    query.addSelect(`expired.${propertyPath}`, databaseName);
  }
  const property = `expired.${column.propertyPath}`;
  return query.where(`${property} <= :cutoff`, { cutoff }).orderBy(property).limit(limit).getRawMany<Key>();
}

async function removeExpired({ dataSource, runner, metadata, column, cutoff }: Purge, keys: Key[]): Promise<number> {
  const escape = (name: string) => dataSource.driver.escape(name);
  const oneOfThem = new Brackets((where) => {
    keys.forEach((key, row) => {
      const columns = metadata.primaryColumns.map(({ databaseName }) => databaseName);
      const text = columns.map((name, position) => `${escape(name)} = :key_${row}_${position}`).join(' AND ');
      where.orWhere(`(${text})`, Object.fromEntries(columns.map((name, i) => [`key_${row}_${i}`, key[name]])));
    });
  });
  const query = dataSource.createQueryBuilder(runner).delete().from(metadata.target);
  // A row that its owner prolonged since it was selected stays.
  query.where(`${escape(column.databaseName)} <= :cutoff`, { cutoff }).andWhere(oneOfThem);
  return (await query.execute()).affected ?? 0;
}

function persistedTime({ driver }: DataSource, column: ColumnMetadata, timeMs: number): unknown {
  return driver.preparePersistentValue(holdsDate(column) ? new Date(timeMs) : timeMs, column);
}

/** Whether the property is a Date. Behind a transformer its declared type decides, else the column's. */
function holdsDate(column: ColumnMetadata): boolean {
  const declared = column.transformer && declaredType(column);
  if (declared === Date || declared === Number) return declared === Date;
  return /^(date|timestamp)/.test(typeName(column));
}

function holdsNumber(column: ColumnMetadata): boolean {
  return /int|number|numeric|decimal|double|float|real/.test(typeName(column));
}

function declaredType({ target, propertyName }: ColumnMetadata): unknown {
  return typeof target === 'string' ? undefined : Reflect.getMetadata('design:type', target.prototype, propertyName);
}

function typeName({ type }: ColumnMetadata): string {
  return (typeof type === 'function' ? type.name : String(type)).toLowerCase();
}

function misconfigured(problem: string): MfaError {
  const remedy = 'Check `cleanup.tables`: `entity` is an entity class, `expiresAt` the name of its expiry property.';
  return new MfaError('MFA_MISCONFIGURED', { message: `${problem}. ${remedy}` });
}
