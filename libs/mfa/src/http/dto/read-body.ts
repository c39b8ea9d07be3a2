import { validateSync } from 'class-validator';
import { MfaException } from '../../errors/mfa.exception.js';
import { CodeBody, ProofBody, RenameBody, SetupBody } from './bodies.js';

const BODIES = { CodeBody, ProofBody, RenameBody, SetupBody };

/** The checked DTOs by name. */
export type MfaBodies = { [N in keyof typeof BODIES]: InstanceType<(typeof BODIES)[N]> };
export type BodyName = keyof MfaBodies;

const badRequest = (message: string[]) => new MfaException('MFA_BAD_REQUEST', { message });

/**
 * A request's body as a checked DTO of that name. Unknown fields are ignored, and a field that is `null` counts as left
 * out.
 * @throws MfaException `MFA_BAD_REQUEST` with one message per field
 */
export function readBody<N extends BodyName>(name: N, body: unknown): MfaBodies[N] {
  if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body))) {
    throw badRequest(['the body must be a JSON object']);
  }
  const checked = new BODIES[name]();
  const given = (body ?? {}) as Record<string, unknown>;
  for (const field of Object.keys(checked)) {
    if (Object.hasOwn(given, field) && given[field] !== null) Object.assign(checked, { [field]: given[field] });
  }
  const errors = validateSync(checked, { forbidUnknownValues: true, stopAtFirstError: true });
  if (errors.length > 0) throw badRequest(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})));
  return checked as MfaBodies[N];
}
