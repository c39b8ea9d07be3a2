import { Injectable, Scope, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { MfaException } from './errors/mfa.exception.js';
import { RouteAccess } from './guard/route-access.js';

/**
 * Refuses request-scoped options, factors and DataSources at boot. Nest creates a provider that depends on one at each request,
 * and skips its checks at boot. This provider comes first in the module: the MfaHost is request-scoped too where it
 * injects a service of the module, and the message about it would name the wrong cause.
 */
@Injectable()
export class RequestScopeCheck implements OnModuleInit {
  constructor(private readonly moduleRef: ModuleRef) {}

  onModuleInit(): void {
    if (this.moduleRef.introspect(RouteAccess).scope === Scope.DEFAULT) return;
    throw new MfaException('MFA_MISCONFIGURED', {
      message:
        'MfaModule: what forRootAsync injects for the options, or a class in `factors`, or the DataSource, is ' +
        'request-scoped. They are read once, at boot: inject singletons. An issuer per tenant is `issuer` of the principal',
    });
  }
}
