import { MfaError } from '../../domain/mfa-error.js';

export interface StatementResult {
  /** Rows written; 0 for a statement that only reads. */
  affected: number;
  records: Record<string, unknown>[];
}

const WRITE = /^(INSERT|UPDATE|DELETE)\b/;

/**
 * Returns TypeORM's structured result of the statement `text`. Throws `MFA_MISCONFIGURED` for anything else, such as
 * the bare rows of a query runner that was wrapped for two parameters: no rows must never be read out of it.
 */
// S43a
export function requireResult(result: unknown, text: string): StatementResult {
  const { records, affected } = (result ?? {}) as Partial<StatementResult>;
  if (!Array.isArray(records)) throw misunderstood('a result without an array of rows');
  if (WRITE.test(text) && !Number.isSafeInteger(affected)) throw misunderstood('no number of written rows');
  return { records, affected: affected ?? 0 };
}

/** The error for a result that this library cannot read. */
export function misunderstood(found: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', {
    message:
      `The DataSource of the MFA tables returned ${found}. A wrapper around its query runners must pass on all three ` +
      'parameters of `query`, and its driver must return text as strings: look for a type parser, a `typeCast` or a ' +
      '`charset` that changes them, or give MFA a DataSource of its own (option `dataSource`).',
  });
}
