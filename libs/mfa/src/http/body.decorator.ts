import { createParamDecorator, type ExecutionContext, type Type } from '@nestjs/common';
import { validateSync } from 'class-validator';
import { MfaHttpException } from '../errors/mfa-http.exception.js';

const badRequest = (message: string[]) => new MfaHttpException('MFA_BAD_REQUEST', { message });

/**
 * The request's body as a checked `dto`. It reads the raw body itself, so that the host's global pipes can neither
 * be missed nor convert types before the check (a number is no code, S24). Unknown fields are ignored.
 * @throws MfaHttpException `MFA_BAD_REQUEST` with a message a field
 */
export function readBody<T extends object>(dto: Type<T>, body: unknown): T {
  if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body))) {
    throw badRequest(['the body must be a JSON object']);
  }
  const checked = new dto();
  const given = (body ?? {}) as Record<string, unknown>;
  for (const field of Object.keys(checked)) {
    if (Object.hasOwn(given, field)) Object.assign(checked, { [field]: given[field] });
  }
  const errors = validateSync(checked, { forbidUnknownValues: true });
  if (errors.length > 0) throw badRequest(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})));
  return checked;
}

/** {@link readBody} as a parameter decorator. */
export const MfaBody = (dto: Type<object>): ParameterDecorator =>
  createParamDecorator((_: unknown, context: ExecutionContext) =>
    readBody(dto, context.switchToHttp().getRequest<{ body?: unknown }>().body),
  )();
