import { Injectable, type ExecutionContext, type PipeTransform } from '@nestjs/common';
import { MfaException } from '../errors/mfa.exception.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { KnownPrincipal } from '../host/known-principal.js';

/** From the execution context to its principal; to be used as `@RequestContext(PrincipalPipe)`. */
@Injectable()
export class PrincipalPipe implements PipeTransform<ExecutionContext, Promise<KnownPrincipal>> {
  constructor(private readonly host: MfaHostAccess) {}

  async transform(context: ExecutionContext): Promise<KnownPrincipal> {
    const principal = await this.host.principal(context);
    if (!principal) throw new MfaException('MFA_NOT_AUTHENTICATED');
    return principal;
  }
}
