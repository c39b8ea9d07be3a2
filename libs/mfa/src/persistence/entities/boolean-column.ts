import type { ValueTransformer } from 'typeorm';

/** Stores a boolean as the integer 0 or 1, which is the same on every database. */
export const booleanColumn: ValueTransformer = {
  to: (value: unknown) => (typeof value === 'boolean' ? Number(value) : value),
  from: (value: unknown) => Number(value) === 1,
};
