import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Authenticator } from '../domain/authenticators/authenticator.js';
import type { BackupCode } from '../domain/backup-codes/backup-code.js';
import type { HashedCode } from '../domain/backup-codes/hash-groups.js';
import { isMfaError } from '../domain/mfa-error.js';
import { SecretBox, type SealContext } from '../domain/secrets/secret-box.js';
import { clockSkewSteps, matchStep } from '../domain/totp/totp.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

/** What a code is to an authenticator. */
export interface TotpEvaluation {
  /** The step within the window whose code this is; `null` for a wrong code. */
  step: number | null;
  /** For a wrong code that is right by another clock: how many steps that clock is ahead (negative: behind). */
  skewSteps: number | null;
}

/** Opens what is stored sealed. What cannot be opened denies like a wrong code, and is logged for the operator. */
// S3
@Injectable()
export class SecretReader {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly box: SecretBox,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** The plaintext, or `null` when it cannot be opened. */
  open(sealed: string, context: SealContext): Buffer | null {
    try {
      return this.box.open(sealed, context);
    } catch (error) {
      if (!isMfaError(error)) throw error;
      this.logger.error(`A stored ${context.purpose} cannot be opened (row ${context.credentialId}): ${error.message}`);
      return null;
    }
  }

  /** The authenticator's secret in bytes, or `null` when it cannot be opened. */
  secretOf({ id, userId, secret }: Authenticator): Buffer | null {
    return this.open(secret, { purpose: 'totp-secret', userId, credentialId: id });
  }

  /** The hash of a backup code, in a list that is empty when it cannot be opened. */
  hashOf({ id, userId, hash }: BackupCode): HashedCode[] {
    const phc = this.open(hash, { purpose: 'backup-code', userId, credentialId: id });
    return phc ? [{ id, phc: phc.toString('utf8') }] : [];
  }

  /** Compares a code with those of the authenticator. Every wrong code takes the same time. */
  evaluate(authenticator: Authenticator, code: string, nowMs: number): TotpEvaluation {
    const secret = this.secretOf(authenticator);
    if (!secret) return { step: null, skewSteps: null };
    const request = { secret, code, parameters: authenticator, window: this.options.totp.window, nowMs };
    const step = matchStep(request);
    return { step, skewSteps: step === null ? clockSkewSteps(request) : null };
  }
}
