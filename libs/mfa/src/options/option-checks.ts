import type { Type } from '@nestjs/common';
import { MfaError } from '../domain/mfa-error.js';

/** The error for a wrong option. It stops the start of the application. */
export const misconfigured = (message: string) =>
  new MfaError('MFA_MISCONFIGURED', { message: `MfaModule: ${message}` });

/** Returns a group of options, or `{}` if it is left out. Throws if it is not an object. */
export function group<T extends object>(option: string, value: T | null | undefined): Partial<T> {
  const given = value ?? {};
  if (typeof given === 'object' && !Array.isArray(given)) return given;
  throw misconfigured(`option \`${option}\` must be an object`);
}

/** Returns a whole number, or `fallback` if it is left out. Throws if it is below `least` or above `most`. */
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

/** Returns a boolean, or `fallback` if it is left out. Throws for any other type. */
export function flag(option: string, value: boolean | null | undefined, fallback: boolean): boolean {
  const chosen = value ?? fallback;
  if (typeof chosen === 'boolean') return chosen;
  throw misconfigured(`option \`${option}\` must be true or false`);
}

/** Returns the value. Throws if it is not one of the allowed values. */
export function oneOf<T extends string>(option: string, value: NoInfer<T>, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw misconfigured(`option \`${option}\` must be one of ${allowed.map((each) => `'${each}'`).join(', ')}`);
}

/** Returns a list, or an empty one if it is left out. Throws for any other type. */
export function list<T>(option: string, value: readonly T[] | null | undefined): readonly T[] {
  const given = value ?? [];
  if (Array.isArray(given)) return given;
  throw misconfigured(`option \`${option}\` must be a list`);
}

/** Returns a list of classes, or an empty one if it is left out. Throws for any other value. */
export function classes<T>(option: string, value: readonly Type<T>[] | null | undefined): readonly Type<T>[] {
  const given = list(option, value);
  if (given.every((each) => typeof each === 'function')) return given;
  throw misconfigured(`option \`${option}\` must be a list of classes`);
}
