import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import type { TotpParameters } from '../../domain/authenticators/authenticator.js';
import { generateBackupCodes } from '../../domain/backup-codes/generate.js';
import { MfaClock } from '../../domain/clock.js';
import { normaliseCode } from '../../domain/code.js';
import { MfaRandom } from '../../domain/random.js';
import { SecretBox } from '../../domain/secrets/secret-box.js';
import { appWarnings } from '../../domain/totp/app-compatibility.js';
import { otpauthUri } from '../../domain/totp/otpauth-uri.js';
import { qrPng, qrSvg } from '../../domain/totp/qr.js';
import { currentStep, fromBase32, generateSecret, matchStep, toBase32 } from '../../domain/totp/totp.js';
import { ThrowsMfaException } from '../../errors/throws-mfa-exception.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../options/resolve-options.js';

/** The owner of a sealed secret. The secret can be opened only with the same owner. */
// S2
export interface MfaSecretOwner {
  userId: string;
  authenticatorId: string;
}

/**
 * TOTP functions (RFC 6238), with the options of the module as defaults. The service stores nothing and does not prevent
 * replay. For logins use `MfaVerificationService`.
 * @example
 * const secret = this.totp.generateSecret();
 * const uri = this.totp.otpauthUri(secret, 'ann@example.org');
 * const step = this.totp.verify('123456', secret); // null = wrong code
 */
@Injectable()
@ThrowsMfaException()
export class TotpService implements OnModuleInit {
  constructor(
    private readonly box: SecretBox,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** Logs at start which options some authenticator apps do not support. */
  onModuleInit(): void {
    const { issuer, totp } = this.options;
    const logger = new Logger('nestjs-mfa');
    appWarnings({ issuer, digits: totp.digits }).forEach((message) => logger.warn(message));
  }

  /**
   * Generates a secret in base32. It has the length of the hash: 20, 32 or 64 bytes (32, 52 or 103 characters) for SHA1,
   * SHA256 and SHA512 (RFC 4226 R6, RFC 6238 §5.1).
   */
  generateSecret(parameters?: Pick<Partial<TotpParameters>, 'algorithm'>): string {
    return toBase32(generateSecret(this.random, this.parameters(parameters).algorithm));
  }

  /**
   * Encrypts a base32 secret with the newest key, bound to its owner (AES-256-GCM).
   * @throws MfaException `MFA_BAD_REQUEST` if it is not base32
   */
  encryptSecret(secret: string, { userId, authenticatorId }: MfaSecretOwner): string {
    return this.box.seal(fromBase32(secret), { purpose: 'totp-secret', userId, credentialId: authenticatorId });
  }

  /**
   * Decrypts a secret of {@link encryptSecret} to base32.
   * @throws MfaException `MFA_SECRET_UNREADABLE` if it was altered, has another owner, or its key is not in the option `keys`
   */
  decryptSecret(sealed: string, { userId, authenticatorId }: MfaSecretOwner): string {
    return toBase32(this.box.open(sealed, { purpose: 'totp-secret', userId, credentialId: authenticatorId }));
  }

  /**
   * Builds the `otpauth://` URI that authenticator apps read (Key URI format).
   * @throws MfaException `MFA_BAD_REQUEST` if the account name is empty, too long or contains control characters
   */
  otpauthUri(secret: string, accountName: string, parameters?: Partial<TotpParameters>): string {
    return otpauthUri({
      issuer: this.options.issuer,
      accountName,
      secret: fromBase32(secret),
      parameters: this.parameters(parameters),
    });
  }

  /** Draws the QR code of a URI as a PNG data URL. It takes about 20 ms of CPU; the SVG takes a sixth of that. */
  async qrCode(uri: string): Promise<string> {
    return qrPng(uri);
  }

  /** Draws the QR code of a URI as an SVG document. */
  async qrSvg(uri: string): Promise<string> {
    return qrSvg(uri);
  }

  /** Returns the current time step, or that of `nowMs` in epoch milliseconds (RFC 6238 §4.2). */
  currentStep(nowMs = this.clock.nowMs(), parameters?: Partial<TotpParameters>): number {
    return currentStep(nowMs, this.parameters(parameters).periodSeconds);
  }

  /**
   * Returns the time step within ±`window` whose code matches (RFC 6238 §5.2). `null` = wrong code. It always computes
   * every step of the window, and does not prevent replay.
   */
  verify(
    code: string,
    secret: string,
    parameters?: Partial<TotpParameters> & { window?: number; nowMs?: number },
  ): number | null {
    if (typeof code !== 'string') return null;
    return matchStep({
      secret: fromBase32(secret),
      code: normaliseCode(code),
      parameters: this.parameters(parameters),
      window: parameters?.window ?? this.options.totp.window,
      nowMs: parameters?.nowMs ?? this.clock.nowMs(),
    });
  }

  /** Generates backup codes of the length `backupCodes.length`. They are neither stored nor hashed. */
  // S35
  generateBackupCodes(count = this.options.backupCodes.count): string[] {
    return generateBackupCodes(this.random, { ...this.options.backupCodes, count });
  }

  private parameters(given: Partial<TotpParameters> = {}): TotpParameters {
    const { algorithm, digits, periodSeconds } = this.options.totp;
    return {
      algorithm: given.algorithm ?? algorithm,
      digits: given.digits ?? digits,
      periodSeconds: given.periodSeconds ?? periodSeconds,
    };
  }
}
