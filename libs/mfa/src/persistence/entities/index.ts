import { MfaAccountEntity } from './account.entity.js';
import { MfaAuditEntity } from './audit.entity.js';
import { MfaAuthenticatorEntity } from './authenticator.entity.js';
import { MfaBackupCodeEntity } from './backup-code.entity.js';
import { MfaDeviceEntity } from './device.entity.js';
import { MfaPasskeyEntity } from './passkey.entity.js';
import { MfaPolicySeenEntity } from './policy-seen.entity.js';
import { MfaUsageEntity } from './usage.entity.js';

export {
  MfaAccountEntity,
  MfaAuditEntity,
  MfaAuthenticatorEntity,
  MfaBackupCodeEntity,
  MfaDeviceEntity,
  MfaPasskeyEntity,
  MfaPolicySeenEntity,
  MfaUsageEntity,
};

/** Every entity of the library, for a DataSource with an explicit `entities` list. */
export const MFA_ENTITIES = [
  MfaAccountEntity,
  MfaAuditEntity,
  MfaAuthenticatorEntity,
  MfaBackupCodeEntity,
  MfaDeviceEntity,
  MfaPasskeyEntity,
  MfaPolicySeenEntity,
  MfaUsageEntity,
];
