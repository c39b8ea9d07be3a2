import { MfaError } from '../domain/mfa-error.js';
import { POLICY_ID, type Policy } from '../domain/policy/policy.js';
import { readPrincipalDate } from '../host/known-principal.js';
import type { MfaPolicy } from '../host/mfa-policy.js';

/** Ten years. */
const LONGEST_GRACE_SECONDS = 10 * 366 * 24 * 60 * 60;

/**
 * Checks a policy.
 * @param source the option or the method of the host, for the message
 * @param enrollable the methods that users can enroll here
 * @throws MfaError `MFA_MISCONFIGURED` with the property that is unusable
 */
// S103
export function readPolicy(given: unknown, source: string, enrollable: readonly string[]): Policy {
  if (typeof given !== 'object' || given === null) throw unusable(source, 'must be an object or null');
  const { id, required, graceSeconds, deadline, methods, backupCodes, trustedDevices } = given as Partial<
    Record<keyof MfaPolicy, unknown>
  >;
  if (typeof id !== 'string' || !POLICY_ID.test(id)) {
    throw unusable(`${source}.id`, 'must be 1 to 64 printable ASCII characters without spaces');
  }
  if (typeof required !== 'boolean') throw unusable(`${source}.required`, 'must be true or false');
  const deadlineMs = readDeadline(deadline, source);
  return {
    id,
    required,
    graceMs: readGrace(graceSeconds, source) ?? (deadlineMs === null ? 0 : Infinity),
    deadlineMs,
    methods: readMethods(methods, source, enrollable),
    backupCodes: readFlag(backupCodes, `${source}.backupCodes`),
    trustedDevices: readFlag(trustedDevices, `${source}.trustedDevices`),
  };
}

function readGrace(seconds: unknown, source: string): number | null {
  if (seconds === undefined || seconds === null) return null;
  const isUsable =
    Number.isInteger(seconds) && (seconds as number) >= 0 && (seconds as number) <= LONGEST_GRACE_SECONDS;
  if (!isUsable) throw unusable(`${source}.graceSeconds`, `must be a whole number from 0 to ${LONGEST_GRACE_SECONDS}`);
  return (seconds as number) * 1000;
}

function readDeadline(deadline: unknown, source: string): number | null {
  const date = readPrincipalDate(deadline);
  if (date === null) throw unusable(`${source}.deadline`, 'must be a Date, or ISO 8601 text with a time zone');
  return date?.getTime() ?? null;
}

function readMethods(methods: unknown, source: string, enrollable: readonly string[]): readonly string[] | null {
  if (methods === undefined || methods === null) return null;
  const unknown = Array.isArray(methods) ? methods.filter((each) => !enrollable.includes(each as string)) : [];
  if (!Array.isArray(methods) || methods.length === 0 || unknown.length > 0) {
    throw unusable(`${source}.methods`, `must be a list of methods that users can enroll: ${enrollable.join(', ')}`);
  }
  return methods as string[];
}

function readFlag(value: unknown, source: string): boolean {
  const chosen = value ?? true;
  if (typeof chosen !== 'boolean') throw unusable(source, 'must be true or false');
  return chosen;
}

const unusable = (property: string, text: string) =>
  new MfaError('MFA_MISCONFIGURED', { message: `MfaModule: ${property} ${text}` });
