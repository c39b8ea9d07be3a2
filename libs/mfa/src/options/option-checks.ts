import { MfaError } from '../domain/mfa-error.js';

/** An error that ends the start of the application. */
export const misconfigured = (message: string) =>
  new MfaError('MFA_MISCONFIGURED', { message: `MfaModule: ${message}` });

/** A group of options; `{}` where it is left out. */
export function group<T extends object>(option: string, value: T | null | undefined): Partial<T> {
  const given = value ?? {};
  if (typeof given === 'object' && !Array.isArray(given)) return given;
  throw misconfigured(`option \`${option}\` must be an object`);
}

/** A whole number of the range, or the default where it is left out. */
export function whole(
  option: string,
  value: number | null | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  const number = value ?? fallback;
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw misconfigured(`option \`${option}\` must be a whole number from ${least} to ${most}`);
}

/** `true` or `false`, or the default where it is left out. */
export function flag(option: string, value: boolean | null | undefined, fallback: boolean): boolean {
  const chosen = value ?? fallback;
  if (typeof chosen === 'boolean') return chosen;
  throw misconfigured(`option \`${option}\` must be true or false`);
}

/** One of the allowed values. */
export function oneOf<T extends string>(option: string, value: NoInfer<T>, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw misconfigured(`option \`${option}\` must be one of ${allowed.map((each) => `'${each}'`).join(', ')}`);
}

/** A list, or an empty one where it is left out. */
export function list<T>(option: string, value: readonly T[] | null | undefined): readonly T[] {
  const given = value ?? [];
  if (Array.isArray(given)) return given;
  throw misconfigured(`option \`${option}\` must be a list`);
}
