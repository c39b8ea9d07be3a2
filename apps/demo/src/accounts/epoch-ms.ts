import type { ValueTransformer } from 'typeorm';

/** `bigint` comes back as a string from PostgreSQL and MySQL, and as a number from SQLite. */
export const epochMs: ValueTransformer = {
  to: (value: unknown) => value,
  from: (value: unknown) => (value === null || value === undefined ? value : Number(value)),
};
