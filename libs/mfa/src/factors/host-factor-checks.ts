import type { MfaFactor, MfaFactorMatch } from '../host/mfa-factor.js';
import { misconfigured } from '../options/option-checks.js';

const METHOD = /^[a-z_]{1,12}$/;

/** Names of the module's own factors, counters and usage kinds, now and later. */
const RESERVED = [
  ...['totp', 'backup_code', 'passkey', 'webauthn', 'email', 'sms', 'device'],
  ...['recovery_code', 'password', 'confirmation', 'token', 'authorized', 'import', 'other', 'code'],
];

const METHODS = ['match', 'describe', 'forget'] as const;

/**
 * Refuses at boot what would fail at the first login.
 * @throws MfaError `MFA_MISCONFIGURED`, with the class and the remedy
 */
export function requireUsableFactor(own: MfaFactor): void {
  const { method, budget, unguessable } = own;
  const refuse = (problem: string) => misconfigured(`factor ${classOf(own)}: ${problem}`);
  if (RESERVED.includes(method)) throw refuse(`the method '${method}' belongs to the module. Choose another name`);
  if (typeof method !== 'string' || !METHOD.test(method))
    throw refuse('`method` must have 1 to 12 characters of a-z and _');
  if (budget !== 'other' && budget !== null) throw refuse("`budget` must be 'other' or null");
  if (budget === null && unguessable !== true)
    throw refuse(
      '`budget: null` also needs `unguessable = true`, because its failed attempts are not counted. Otherwise use ' +
        "`budget = 'other'`",
    );
  const missing = METHODS.find((each) => typeof own[each] !== 'function');
  if (missing) throw refuse(`the method \`${missing}()\` is missing. Extend MfaFactor and implement it`);
}

/**
 * Refuses two factors of the host with one method: the account names a credential by its method.
 * @throws MfaError `MFA_MISCONFIGURED`, with both classes
 */
export function requireDistinctMethods(own: readonly MfaFactor[]): void {
  for (const [index, { method }] of own.entries()) {
    const first = own.findIndex((each) => each.method === method);
    if (first === index) continue;
    const [one, other] = [classOf(own[first]!), classOf(own[index]!)];
    throw misconfigured(`factors ${one} and ${other} have the same method '${method}'. Give each one its own`);
  }
}

/** Whether the host's `match` returned a complete match for one of the credentials that count. */
// S45
export function isFactorMatch(found: unknown, ids: readonly string[]): found is MfaFactorMatch {
  if (typeof found !== 'object' || found === null) return false;
  const { id, amr, spend } = found as Partial<Record<keyof MfaFactorMatch, unknown>>;
  return typeof id === 'string' && ids.includes(id) && isListOfText(amr) && isSpend(spend);
}

function isSpend(spend: unknown): boolean {
  if (typeof spend !== 'object' || spend === null) return false;
  const { item, expiresAt } = spend as Record<string, unknown>;
  const isTime = expiresAt instanceof Date && Number.isFinite(expiresAt.getTime());
  return typeof item === 'string' && item !== '' && (expiresAt === null || isTime);
}

const isListOfText = (value: unknown): boolean =>
  Array.isArray(value) && value.every((each) => typeof each === 'string');

const classOf = (own: MfaFactor): string => own.constructor.name;
