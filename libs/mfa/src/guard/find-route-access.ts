import { Logger, type ExecutionContext } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { MfaException } from '../errors/mfa.exception.js';
import { transportErrorOf } from '../errors/transport-error.js';
import { RouteAccess } from './route-access.js';

const MESSAGE =
  'MfaGuard: the application does not import MfaModule, so the guard denies. Import MfaModule.forRoot(...); in a unit test use overrideGuard(MfaGuard)';

/**
 * Returns the `RouteAccess` of the application. It is resolved at each use, so a unit test of a guarded controller needs
 * no `MfaModule`.
 * @throws MfaException `MFA_MISCONFIGURED` without the module
 */
export async function findRouteAccess(moduleRef: ModuleRef, context: ExecutionContext): Promise<RouteAccess> {
  try {
    return moduleRef.get(RouteAccess, { strict: false });
  } catch (cause) {
    new Logger('nestjs-mfa').error(MESSAGE);
    const refusal = new MfaException('MFA_MISCONFIGURED', { message: MESSAGE, cause });
    throw await transportErrorOf(refusal, context.getType<string>());
  }
}
