import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
// One small file of it: where class-validator is missing, the application does not start, rather than fail a first login.
import 'class-validator/cjs/container.js';
import { onFirstUse } from '../domain/on-first-use.js';
import type { BodyName } from './dto/read-body.js';

/** Three hundred files come with class-validator, and no start needs them. */
const reader = onFirstUse(() => import('./dto/read-body.js'));

/**
 * The body of the request as the checked DTO of that name. It reads the raw body itself, so that the host's global
 * pipes can neither be missed nor convert types before the check (a number is no code, S24).
 */
export const MfaBody = (name: BodyName): ParameterDecorator =>
  createParamDecorator(async (_: unknown, context: ExecutionContext) => {
    const { readBody } = await reader();
    return readBody(name, context.switchToHttp().getRequest<{ body?: unknown }>().body);
  })();
