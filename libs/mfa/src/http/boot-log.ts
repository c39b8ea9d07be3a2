import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { MfaHostAccess } from '../host/host-access.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { mountedPaths } from './mounted-routes.js';

/** Every application has it, and no user can choose it. */
const UNLISTED = 'recovery_code';

/** Logs one line with the configuration when the application has started. */
@Injectable()
export class BootLog implements OnApplicationBootstrap {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly application: ApplicationConfig,
    private readonly modules: ModulesContainer,
    private readonly adapterHost: HttpAdapterHost,
    private readonly host: MfaHostAccess,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  onApplicationBootstrap(): void {
    const factors = this.factors
      .filter(({ enabled, method }) => enabled && method !== UNLISTED)
      .map(({ method }) => method)
      .join(', ');
    const key = this.options.keyRing.newest.id;
    this.logger.log(
      `${this.routes()}; factors: ${factors}; encrypting key: ${key}; proof for the first enrollment: ${this.proof()}`,
    );
  }

  private routes(): string {
    // An application without HTTP, such as a microservice, mounts no routes.
    const paths = this.adapterHost.httpAdapter ? mountedPaths(this.application, this.modules) : [];
    return paths.length === 0 ? 'No built-in MFA routes' : `MFA routes below ${commonStart(paths)}`;
  }

  private proof(): string {
    const proof = this.options.enrollment ?? 'password';
    return this.host.instance.enrollmentProof ? `what MfaHost.enrollmentProof returns, else ${proof}` : proof;
  }
}

/** The segments that every path begins with, parameters included. */
function commonStart(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/'));
  const end = first.findIndex((segment, index) => others.some((other) => other[index] !== segment));
  return first.slice(0, end === -1 ? first.length : end).join('/') || '/';
}
