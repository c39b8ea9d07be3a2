import type { Provider } from '@nestjs/common';
import { MFA_FACTORS, type MfaFactor } from '../domain/factors/mfa-factor.js';
import { BackupCodeFactor } from './backup-codes/backup-code.factor.js';
import { BACKUP_CODE_PROVIDERS } from './backup-codes/providers.js';
import { TOTP_PROVIDERS } from './totp/providers.js';
import { TotpFactor } from './totp/totp.factor.js';

/** Every factor, in the order in which they are asked whether they recognise a code. */
const FACTORS = [TotpFactor, BackupCodeFactor];

export const FACTOR_PROVIDERS: Provider[] = [
  ...TOTP_PROVIDERS,
  ...BACKUP_CODE_PROVIDERS,
  { provide: MFA_FACTORS, useFactory: (...factors: MfaFactor[]) => factors, inject: FACTORS },
];
