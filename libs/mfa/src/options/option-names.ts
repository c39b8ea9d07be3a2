import type { MfaPolicy } from '../host/mfa-policy.js';
import type {
  MfaAttemptOptions,
  MfaAuditOptions,
  MfaBackupCodeOptions,
  MfaChallengeCookieOptions,
  MfaChallengeOptions,
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
} from './mfa-options.js';

/** Names of options. `null` = a value, an object = a group, a list with one object = a list of groups. */
export interface OptionNames {
  readonly [name: string]: null | OptionNames | readonly [OptionNames];
}

/** Type check: the compiler reports a missing name and an unknown name. */
const namesOf = <T>(names: Record<keyof Required<T>, OptionNames[string]>): OptionNames => names;

/** The options of `forRoot` without the extras; also the result of a `forRootAsync` factory. */
export const OPTION_NAMES = namesOf<MfaOptions>({
  issuer: null,
  keys: [{ id: null, secret: null }],
  enrollment: namesOf<MfaEnrollmentOptions>({
    proof: null,
    setupLifetimeSeconds: null,
    maxAuthenticators: null,
    disableWithPassword: null,
    allowPasswordOnly: null,
    tokenLifetimeSeconds: null,
  }),
  totp: namesOf<MfaTotpOptions>({ algorithm: null, digits: null, periodSeconds: null, window: null }),
  challenge: namesOf<MfaChallengeOptions>({
    lifetimeSeconds: null,
    extractToken: null,
    cookie: namesOf<MfaChallengeCookieOptions>({ name: null, path: null, secure: null, sameSite: null, domain: null }),
  }),
  backupCodes: namesOf<MfaBackupCodeOptions>({ count: null, length: null, lowAt: null }),
  passkeys: namesOf<MfaPasskeyOptions>({
    rpId: null,
    origins: null,
    rpName: null,
    userVerification: null,
    max: null,
    protectChanges: null,
  }),
  policy: namesOf<MfaPolicy>({
    id: null,
    required: null,
    graceSeconds: null,
    deadline: null,
    methods: null,
    backupCodes: null,
    trustedDevices: null,
  }),
  trustedDevices: namesOf<MfaTrustedDeviceOptions>({
    lifetimeDays: null,
    max: null,
    cookie: namesOf<MfaTrustedDeviceCookieOptions>({ secure: null }),
  }),
  timeouts: namesOf<MfaTimeoutOptions>({ connectionSeconds: null, statementSeconds: null }),
  attempts: namesOf<MfaAttemptOptions>({
    maxFailures: null,
    lockSeconds: null,
    maxLockSeconds: null,
    dailyBurst: null,
    dailyRefill: null,
    disableAfter: null,
  }),
  audit: namesOf<MfaAuditOptions>({ retentionDays: null }),
  fernet: namesOf<MfaFernetOptions>({ keys: [{ key: null, secretKey: null }], until: null }),
  cleanup: namesOf<MfaCleanupOptions>({
    intervalSeconds: null,
    batchSize: null,
    tables: [namesOf<MfaExpiringTable>({ entity: null, expiresAt: null, graceSeconds: null })],
  }),
});

/** The options that change the module graph. */
export const EXTRA_NAMES = namesOf<MfaModuleExtras>({
  host: null,
  imports: null,
  isGlobal: null,
  dataSource: null,
  http: namesOf<MfaHttpOptions>({ prefix: null, publicDecorators: null, decorators: null }),
  factors: null,
});

/** The options of every asynchronous module of Nest. */
export const ASYNC_NAMES: OptionNames = {
  imports: null,
  inject: null,
  provideInjectionTokensFrom: null,
  useClass: null,
  useExisting: null,
  useFactory: null,
};
