export { MfaModule, type MfaAsyncOptions, type MfaOptionsFactory } from './mfa.module.js';
export type {
  MfaAttemptOptions,
  MfaBackupCodeOptions,
  MfaChallengeCookieOptions,
  MfaChallengeOptions,
  MfaAuditOptions,
  MfaCleanupOptions,
  MfaEnrollmentOptions,
  MfaExpiringTable,
  MfaFernetOptions,
  MfaHttpOptions,
  MfaModuleExtras,
  MfaOptions,
  MfaPasskeyOptions,
  MfaTimeoutOptions,
  MfaTotpOptions,
  MfaTrustedDeviceCookieOptions,
  MfaTrustedDeviceOptions,
} from './options/mfa-options.js';
export type { MfaFernetKey } from './domain/secrets/fernet.js';
export type { MfaKey } from './domain/secrets/key-ring.js';
export type { TotpAlgorithm, TotpParameters } from './domain/authenticators/authenticator.js';

export { MfaFactor } from './host/mfa-factor.js';
export type { MfaFactorCredential, MfaFactorMatch, MfaFactorProof, MfaFactorUser } from './host/mfa-factor.js';
export { MfaHost } from './host/mfa-host.js';
export type { MfaMethod } from './host/mfa-method.js';
export type { MfaEnrollmentReason, MfaPolicy } from './host/mfa-policy.js';
export type { MfaEnrollmentProof, MfaLogin, MfaPrincipal, MfaRequestInfo, MfaStepUp } from './host/mfa-host.js';
export type {
  MfaActor,
  MfaChange,
  MfaChangeType,
  MfaEvent,
  MfaEventAuthenticator,
  MfaEventDevice,
  MfaEventFactor,
  MfaEventType,
  MfaFailureReason,
} from './host/mfa-event.js';

export { TotpService, type MfaSecretOwner } from './factors/totp/totp.service.js';
export { MfaEnrollmentService } from './enrollment/enrollment.service.js';
export type {
  MfaConfirmation,
  MfaEnrolledLogin,
  MfaEnrollmentToken,
  MfaRemoval,
  MfaSetup,
} from './enrollment/enrollment-results.js';
export type { MfaFactorActivation } from './enrollment/factor-enrollment.js';
export type { MfaAuthenticatorView } from './enrollment/authenticator-view.js';
export type { MfaReauthenticationProof } from './enrollment/reauthentication-check.js';
export type { MfaPasskeyAssertion, MfaPasskeyRegistration } from './domain/passkeys/passkey-json.js';
export { MfaBackupCodeService } from './factors/backup-codes/backup-code.service.js';
export { MfaPasskeyService } from './factors/passkey/passkey.service.js';
export type { MfaPasskeySetup } from './factors/passkey/passkey-enrollment.js';
export type { MfaPasskeyOptionsResult } from './factors/passkey/passkey.factor.js';
export type {
  MfaPasskeyCreationOptions,
  MfaPasskeyDescriptor,
  MfaPasskeyRequestOptions,
} from './factors/passkey/passkey-ceremony-options.js';
export { MfaDeviceService } from './devices/device.service.js';
export type { MfaDeviceView } from './devices/device-view.js';
export { MfaChallengeService, type MfaDeviceExchange, type MfaIssueOptions } from './challenge/challenge.service.js';
export { MfaChallenge, type MfaChallengeResult, type MfaOpenChallenge } from './challenge/mfa-challenge.js';
export type { MfaCookieResponse } from './host/cookies.js';
export { MfaVerificationService } from './verification/verification.service.js';
export type { MfaLoginProof, MfaProof } from './verification/verification.service.js';
export { MfaStatusService, type MfaStatus, type MfaUserStatus } from './status/status.service.js';
export type { MfaDueQuery, MfaDueUsers } from './status/due-users.js';
export { MfaAdminService, type MfaResetOptions } from './admin/admin.service.js';
export type { MfaRecoveryCode } from './admin/recovery-code-issuing.js';
export type { MfaAdminAction, MfaAdminActor } from './admin/admin-action.js';
export type { MfaListCriterion, MfaListedUser, MfaUserList, MfaUserListQuery } from './admin/user-list.js';
export type { MfaUserExport } from './admin/user-export.js';
export { MfaAuditService, type MfaAuditEntry, type MfaAuditQuery } from './audit/audit.service.js';
export { MfaCleanupService } from './cleanup/cleanup.service.js';
export type { MfaPurgeReport } from './cleanup/purge-report.js';
export { MfaKeyService } from './keys/key.service.js';
export type { MfaKeyReport, MfaKeyUsage, MfaUnreadableRow } from './domain/secrets/key-report.js';
export type { MfaKeyScanOptions } from './domain/secrets/key-rotation.js';

export { MfaGuard } from './guard/mfa.guard.js';
export { CurrentPrincipal, MfaContext } from './guard/current-principal.js';
export { ChallengeRoute, CurrentChallenge, RequireMfa, SkipMfa, type RequireMfaOptions } from './guard/decorators.js';

export type { MfaErrorCode, MfaErrorDetails, MfaRequiredProof } from './domain/mfa-error.js';
export { MfaException } from './errors/mfa.exception.js';
export { MfaExceptionFilter } from './http/mfa-exception.filter.js';
export { MfaClock } from './domain/clock.js';

export {
  MFA_ENTITIES,
  MfaAccountEntity,
  MfaAuditEntity,
  MfaAuthenticatorEntity,
  MfaBackupCodeEntity,
  MfaDeviceEntity,
  MfaPasskeyEntity,
  MfaPolicySeenEntity,
  MfaUsageEntity,
} from './persistence/entities/index.js';
export { MFA_MIGRATIONS } from './persistence/migrations/index.js';
