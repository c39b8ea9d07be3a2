import type { ValueTransformer } from 'typeorm';

/** Reads a `bigint` column as a number: the drivers of PostgreSQL and MySQL return strings, SQLite returns numbers. */
export const integerColumn: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: unknown) => (value === null || value === undefined ? null : Number(value)),
};
