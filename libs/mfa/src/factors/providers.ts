import type { Provider, Type } from '@nestjs/common';
import { MFA_FACTORS, type Factor } from '../domain/factors/factor.js';
import { FactorEnrollment } from '../enrollment/factor-enrollment.js';
import type { MfaFactor } from '../host/mfa-factor.js';
import { BackupCodeFactor } from './backup-codes/backup-code.factor.js';
import { BACKUP_CODE_PROVIDERS } from './backup-codes/providers.js';
import { HostFactorEnrollment } from './host-factor-enrollment.js';
import { requireDistinctMethods } from './host-factor-checks.js';
import { HostFactor } from './host-factor.js';
import { PasskeyFactor } from './passkey/passkey.factor.js';
import { PASSKEY_PROVIDERS } from './passkey/providers.js';
import { RECOVERY_CODE_PROVIDERS } from './recovery-code/providers.js';
import { RecoveryCodeFactor } from './recovery-code/recovery-code.factor.js';
import { TOTP_PROVIDERS } from './totp/providers.js';
import { TotpFactor } from './totp/totp.factor.js';

/** The factors of the module, then those of the host. Backup codes come last, because they are the last resort. */
export function factorProviders(own: readonly Type<MfaFactor>[]): Provider[] {
  return [
    ...TOTP_PROVIDERS,
    ...BACKUP_CODE_PROVIDERS,
    ...PASSKEY_PROVIDERS,
    ...RECOVERY_CODE_PROVIDERS,
    ...own,
    { provide: FactorEnrollment, useClass: HostFactorEnrollment },
    {
      provide: MFA_FACTORS,
      useFactory: (
        totp: TotpFactor,
        backupCode: BackupCodeFactor,
        passkey: PasskeyFactor,
        recoveryCode: RecoveryCodeFactor,
        ...others: MfaFactor[]
      ): Factor[] => {
        const adapted = others.map((each) => new HostFactor(each));
        requireDistinctMethods(others);
        return [totp, passkey, ...adapted, backupCode, recoveryCode];
      },
      inject: [TotpFactor, BackupCodeFactor, PasskeyFactor, RecoveryCodeFactor, ...own],
    },
  ];
}
