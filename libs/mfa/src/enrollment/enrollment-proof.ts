import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MfaError } from '../domain/mfa-error.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { MfaEnrollmentProof, MfaPrincipal } from '../host/mfa-host.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

const PROOFS: readonly unknown[] = ['password', 'recent-sign-in', 'session-only'];

const misconfigured = (message: string) => new MfaError('MFA_MISCONFIGURED', { message: `MfaModule: ${message}` });

/** Chooses the proof that the first enrollment of a user requires, by hook or by option. */
// S12
@Injectable()
@ThrowsMfaException()
export class EnrollmentProof implements OnModuleInit {
  constructor(
    private readonly host: MfaHostAccess,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * What the first enrollment of this principal needs.
   * @throws MfaError `MFA_MISCONFIGURED` where the host's hook returns anything else than a proof or `null`
   */
  // S12, S45
  async of(principal: MfaPrincipal): Promise<MfaEnrollmentProof> {
    const chosen = await this.host.call((host) => (host.enrollmentProof ? host.enrollmentProof(principal) : null));
    // A hook that forgot a case returns `undefined`: it must not fall back to a weaker proof.
    const proof: unknown = chosen === null ? (this.options.enrollment ?? 'password') : chosen;
    if (!PROOFS.includes(proof)) {
      throw misconfigured("MfaHost.enrollmentProof must return 'password', 'recent-sign-in', 'session-only' or null");
    }
    if (proof === 'password' && typeof this.host.instance.verifyPassword !== 'function') {
      throw misconfigured("the first enrollment needs 'password', but the MfaHost has no `verifyPassword`");
    }
    return proof as MfaEnrollmentProof;
  }

  onModuleInit(): void {
    const host = this.host.instance;
    const hasPassword = typeof host.verifyPassword === 'function';
    const chooses = typeof host.enrollmentProof === 'function';
    if (!hasPassword && !chooses && this.options.enrollment === undefined) {
      throw misconfigured(
        "the first enrollment needs a proof besides the session: implement `verifyPassword` or `enrollmentProof` on the MfaHost, or set option `enrollment.proof` to 'recent-sign-in' (and give `authenticatedAt` in `principal`) or to 'session-only'",
      );
    }
    if (!hasPassword && this.options.enrollment === 'password') {
      throw misconfigured("option `enrollment.proof` is 'password', but the MfaHost has no `verifyPassword`");
    }
    if (!hasPassword && this.options.disableWithPassword) {
      throw misconfigured('option `enrollment.disableWithPassword` needs `verifyPassword` on the MfaHost');
    }
  }
}
