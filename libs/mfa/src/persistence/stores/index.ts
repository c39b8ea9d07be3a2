export { TypeOrmAccountStore } from './account.store.js';
export { TypeOrmAuthenticatorStore } from './authenticator.store.js';
export { TypeOrmBackupCodeStore } from './backup-code.store.js';
export { TypeOrmPasskeyStore } from './passkey.store.js';
export { TypeOrmPolicySeenStore } from './policy-seen.store.js';
export { StepwiseVerificationStore } from './stepwise-verification.store.js';
export { TypeOrmSealedValueStore } from './sealed-value.store.js';
export { TypeOrmUsageStore } from './usage.store.js';
export type { TypeOrmStoreOptions } from '../statements/statement-runner.js';
