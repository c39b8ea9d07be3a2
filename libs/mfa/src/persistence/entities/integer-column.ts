import type { ValueTransformer } from 'typeorm';

/** Reads a `bigint` column as a number: PostgreSQL and MySQL answer with strings, SQLite with numbers. */
export const integerColumn: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: unknown) => (value === null || value === undefined ? null : Number(value)),
};
