import { validateSync } from 'class-validator';
import { MfaException } from '../../errors/mfa.exception.js';
import { CodeBody, ProofBody, RenameBody, SetupBody } from './bodies.js';

const BODIES = { CodeBody, ProofBody, RenameBody, SetupBody };

export type BodyName = keyof typeof BODIES;

const badRequest = (message: string[]) => new MfaException('MFA_BAD_REQUEST', { message });

/**
 * A request's body as a checked DTO of that name. Unknown fields are ignored.
 * @throws MfaException `MFA_BAD_REQUEST` with a message a field
 */
export function readBody(name: BodyName, body: unknown): object {
  if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body))) {
    throw badRequest(['the body must be a JSON object']);
  }
  const checked = new BODIES[name]();
  const given = (body ?? {}) as Record<string, unknown>;
  for (const field of Object.keys(checked)) {
    if (Object.hasOwn(given, field)) Object.assign(checked, { [field]: given[field] });
  }
  const errors = validateSync(checked, { forbidUnknownValues: true });
  if (errors.length > 0) throw badRequest(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})));
  return checked;
}
