import { MfaError } from '../domain/mfa-error.js';

/** A value of the plan with the path by which an error names it. It is not checked yet. */
export interface PlanValue {
  value: unknown;
  path: string;
}

/** The error that ends a run before anything is read; never quotes a value, which may be a key. */
export function planError(path: string, problem: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', {
    message: `Import plan: ${path === '' ? 'it' : `\`${path}\``} ${problem}`,
  });
}

/** The fields of an object, none of them unknown. */
export function fields<T extends string>({ value, path }: PlanValue, known: readonly T[]): Record<T, PlanValue> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw planError(path, `must be an object with ${known.join(', ')}`);
  }
  const unknown = Object.keys(value).find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw planError(path === '' ? unknown : `${path}.${unknown}`, `is not known; known are ${known.join(', ')}`);
  }
  const given = value as Record<string, unknown>;
  const entries = known.map((name) => [name, { value: given[name], path: path === '' ? name : `${path}.${name}` }]);
  return Object.fromEntries(entries) as Record<T, PlanValue>;
}

/** A text of 1 to `most` characters. */
export function text({ value, path }: PlanValue, what: string, most = 4096): string {
  if (typeof value === 'string' && value.trim() !== '' && value.length <= most) return value;
  throw planError(path, `must be ${what}${value === undefined ? ' and is missing' : ''}`);
}

/** One of a few texts, or the fallback where it is left out. */
export function choice<T extends string>({ value, path }: PlanValue, allowed: readonly T[], fallback?: T): T {
  const given = value ?? fallback;
  if (allowed.includes(given as T)) return given as T;
  throw planError(path, `must be one of ${allowed.map((each) => `'${each}'`).join(', ')}`);
}

/** A whole number of the range, or the fallback where it is left out. */
export function whole({ value, path }: PlanValue, [least, most]: readonly [number, number], fallback: number): number {
  const given = value ?? fallback;
  if (Number.isSafeInteger(given) && (given as number) >= least && (given as number) <= most) return given as number;
  throw planError(path, `must be a whole number from ${least} to ${most}`);
}

/** A name of the database. It is escaped, but quotes would need more than that on some of them. */
export function identifier(given: PlanValue, what: string): string {
  const name = text(given, `${what}, as it is spelled in the database`, 256);
  if (/["`[\]\p{Cc}]/u.test(name))
    throw planError(given.path, 'must not contain quotes, brackets or control characters');
  return name;
}
