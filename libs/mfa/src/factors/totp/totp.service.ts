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

/** Whose secret is sealed: a sealed secret opens for exactly this pair (S2). */
export interface MfaSecretOwner {
  userId: string;
  authenticatorId: string;
}

/** TOTP by itself (RFC 6238), with the module's options as defaults. Keeps no state and does not prevent replay. */
@Injectable()
@ThrowsMfaException()
export class TotpService implements OnModuleInit {
  constructor(
    private readonly box: SecretBox,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /** Warns once at start of what some authenticator apps cannot do. */
  onModuleInit(): void {
    const { issuer, totp } = this.options;
    const logger = new Logger('nestjs-mfa');
    appWarnings({ issuer, digits: totp.digits }).forEach((message) => logger.warn(message));
  }

  /**
   * A new secret in base32, as long as the hash: 20, 32 or 64 bytes (32, 52 or 103 characters) for SHA1, SHA256 and
   * SHA512. RFC 4226 R6, RFC 6238 §5.1.
   */
  generateSecret(parameters?: Pick<Partial<TotpParameters>, 'algorithm'>): string {
    return toBase32(generateSecret(this.random, this.parameters(parameters).algorithm));
  }

  /** The base32 secret sealed under the newest key, bound to its owner. AES-256-GCM. */
  encryptSecret(secret: string, { userId, authenticatorId }: MfaSecretOwner): string {
    return this.box.seal(fromBase32(secret), { purpose: 'totp-secret', userId, credentialId: authenticatorId });
  }

  /**
   * The base32 secret that {@link encryptSecret} sealed for this owner.
   * @throws MfaException `MFA_SECRET_UNREADABLE` when it was altered, is another's, or its key is gone
   */
  decryptSecret(sealed: string, { userId, authenticatorId }: MfaSecretOwner): string {
    return toBase32(this.box.open(sealed, { purpose: 'totp-secret', userId, credentialId: authenticatorId }));
  }

  /**
   * The `otpauth://` URI that authenticator apps read (Key URI format).
   * @throws MfaException `MFA_BAD_REQUEST` for an account name that is empty, too long or holds control characters
   */
  otpauthUri(secret: string, accountName: string, parameters?: Partial<TotpParameters>): string {
    return otpauthUri({
      issuer: this.options.issuer,
      accountName,
      secret: fromBase32(secret),
      parameters: this.parameters(parameters),
    });
  }

  /** The QR code of a URI as a PNG data URL. About 20 ms of CPU; the SVG costs a sixth. */
  async qrCode(uri: string): Promise<string> {
    return qrPng(uri);
  }

  /** The QR code of a URI as an SVG document. */
  async qrSvg(uri: string): Promise<string> {
    return qrSvg(uri);
  }

  /** The time step now, or at `nowMs`. RFC 6238 §4.2. */
  currentStep(nowMs = this.clock.nowMs(), parameters?: Partial<TotpParameters>): number {
    return currentStep(nowMs, this.parameters(parameters).periodSeconds);
  }

  /**
   * The time step within ±`window` whose code this is, or `null`; every step of the window is computed, whichever
   * matches. Does not prevent replay. RFC 6238 §5.2.
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

  /** Fresh backup codes `XXXX-XXXX` of 40 bits each (S35); they are neither stored nor hashed here. */
  generateBackupCodes(count = this.options.backupCodes.count): string[] {
    return generateBackupCodes(this.random, count);
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
