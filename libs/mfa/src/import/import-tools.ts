import type { MfaAccountStore } from '../domain/accounts/account.store.js';
import type { MfaAuthenticatorStore } from '../domain/authenticators/authenticator.store.js';
import type { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import type { MfaClock } from '../domain/clock.js';
import type { SecretBox } from '../domain/secrets/secret-box.js';
import type { MfaUsageStore } from '../domain/usage/usage.store.js';

/** The storage ports and what else an import writes with. */
export interface ImportTools {
  accounts: MfaAccountStore;
  authenticators: MfaAuthenticatorStore;
  backupCodes: MfaBackupCodeStore;
  usage: MfaUsageStore;
  box: SecretBox;
  clock: MfaClock;
}
