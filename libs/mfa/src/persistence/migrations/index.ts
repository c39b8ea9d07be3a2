import { CreateMfaTables1795536000000 } from './1795536000000-create-mfa-tables.js';
import { AddMfaPasskeys1795622400000 } from './1795622400000-add-mfa-passkeys.js';
import { AddMfaPolicies1795708800000 } from './1795708800000-add-mfa-policies.js';
import { AddMfaDevices1795795200000 } from './1795795200000-add-mfa-devices.js';
import { AddMfaAdministration1795881600000 } from './1795881600000-add-mfa-administration.js';
import { AddMfaAudit1795968000000 } from './1795968000000-add-mfa-audit.js';

/** Every migration of the library, oldest first: `migrations: [...MFA_MIGRATIONS, ...mine]`. Only ever appended to. */
export const MFA_MIGRATIONS = [
  CreateMfaTables1795536000000,
  AddMfaPasskeys1795622400000,
  AddMfaPolicies1795708800000,
  AddMfaDevices1795795200000,
  AddMfaAdministration1795881600000,
  AddMfaAudit1795968000000,
];
