import type { ExecutionContext, ModuleMetadata, Type } from '@nestjs/common';
import type { TotpAlgorithm } from '../domain/authenticators/authenticator.js';
import type { MfaFernetKey } from '../domain/secrets/fernet.js';
import type { MfaKey } from '../domain/secrets/key-ring.js';
import type { MfaFactor } from '../host/mfa-factor.js';
import type { MfaEnrollmentProof, MfaHost } from '../host/mfa-host.js';
import type { MfaPolicy } from '../host/mfa-policy.js';

/**
 * How TOTP codes are generated and accepted. Each authenticator stores its own `algorithm`, `digits` and `periodSeconds`,
 * so a change applies only to new authenticators. `window` applies to all.
 */
export interface MfaTotpOptions {
  /** Hash of new authenticators. Some apps support only SHA1. @default 'SHA1' */
  algorithm?: TotpAlgorithm | null | undefined;
  /** Length of new authenticators' codes, 6 to 8. @default 6 */
  digits?: number | null | undefined;
  /** Seconds that a code of a new authenticator is valid, 10 to 300. @default 30 */
  periodSeconds?: number | null | undefined;
  /** Steps accepted before and after the current one, 0 to 10. Each one raises the chance of a guess (RFC 6238 §5.2). @default 1 */
  window?: number | null | undefined;
}

/** How a user adds and removes authenticators. */
export interface MfaEnrollmentOptions {
  /**
   * What the first enrollment requires in addition to a session: the password (`MfaHost.verifyPassword` checks it), a
   * sign-in at most 5 minutes old (`principal.authenticatedAt`), or nothing.
   * @default 'password' if the host has `verifyPassword`; otherwise this option is required
   */
  proof?: MfaEnrollmentProof | null | undefined;
  /** Seconds from the start of a setup until its confirmation is refused, 60 to 3600. @default 600 */
  setupLifetimeSeconds?: number | null | undefined;
  /** Authenticators that a user may have, 1 to 10. Each one raises the chance of a guess. @default 5 */
  maxAuthenticators?: number | null | undefined;
  /** Whether `POST /mfa/disable` accepts a password instead of a code. `true` requires `verifyPassword`. @default false */
  disableWithPassword?: boolean | null | undefined;
  /**
   * Whether a user who gave only the first factor may enroll a second one within a login that requires one. With `true`,
   * everybody who has the password of a user without a factor can enroll a factor of their own. It is not used where
   * the host has `authorizeEnrollment`. @default false
   */
  allowPasswordOnly?: boolean | null | undefined;
  /** Seconds that the token of an enrollment within a login is valid, 60 to 3600. @default 900 */
  tokenLifetimeSeconds?: number | null | undefined;
}

/** The cookie that `issue()` sets for logins that redirect. */
export interface MfaChallengeCookieOptions {
  /** Name of the cookie. A name with the prefix `__Host-` or `__Secure-` must follow the rules of that prefix. @default 'mfa_token' */
  name?: string | null | undefined;
  /** Path of the cookie. @default the path of the built-in routes, global prefix included */
  path?: string | null | undefined;
  /** Whether browsers send the cookie only over HTTPS (and to localhost). @default true */
  secure?: boolean | null | undefined;
  /** The `SameSite` attribute. `'none'` requires `secure`. @default 'lax' */
  sameSite?: 'lax' | 'strict' | 'none' | null | undefined;
  /** The `Domain` attribute, for a login on another subdomain. @default the host of the response only */
  domain?: string | null | undefined;
}

/** The state between the first and the second factor. */
export interface MfaChallengeOptions {
  /** Seconds that an mfa_token is valid, 30 to 3600. @default 300 */
  lifetimeSeconds?: number | null | undefined;
  /**
   * Reads the mfa_token of a request. `null` or `undefined` = the request has no mfa_token.
   * @default body field `mfa_token`, then `x-mfa-token`, then a Bearer value of type `mfa+jwt`, then the cookie
   */
  extractToken?: ((context: ExecutionContext) => string | null | undefined) | null | undefined;
  cookie?: MfaChallengeCookieOptions | null | undefined;
}

/** How long a request waits for the database. */
export interface MfaTimeoutOptions {
  /** Seconds to wait for a database connection before 503, 1 to 60. @default 5 */
  connectionSeconds?: number | null | undefined;
  /** Seconds to wait for a statement before 503, 1 to 300. The statement continues until the database ends it. @default 10 */
  statementSeconds?: number | null | undefined;
}

/** Sets of backup codes. */
export interface MfaBackupCodeOptions {
  /** Codes in a set, 4 to 20. @default 10 */
  count?: number | null | undefined;
  /**
   * Characters of a new code, 8 (`XXXX-XXXX`, 40 random bits) or 13 (`XXXX-XXXX-XXXXX`, 65 random bits, as NIST SP
   * 800-63B-4 requires for saved recovery codes). Codes of both lengths are accepted. @default 8
   */
  length?: 8 | 13 | null | undefined;
  /** `MfaStatusService` reports `low` when at most this many codes are unused, 0 to `count`. @default 3 */
  lowAt?: number | null | undefined;
}

/** Limits of failed attempts, counted per user and factor. */
export interface MfaAttemptOptions {
  /** Failures in a row before a lock, at least 1. @default 5 */
  maxFailures?: number | null | undefined;
  /** Seconds of the first lock. Each further `maxFailures` failures in a row double it. @default 900 */
  lockSeconds?: number | null | undefined;
  /** Seconds of the longest lock. @default 86400 */
  maxLockSeconds?: number | null | undefined;
  /** Failures that a user can make at once, without waiting for `dailyRefill`. @default 10 */
  dailyBurst?: number | null | undefined;
  /** Failures that become possible again per day. Any 24 hours have at most `dailyBurst + dailyRefill` failures, also with successes between them. @default 10 */
  dailyRefill?: number | null | undefined;
  /** Failures in a row that disable the factor until the user re-enrolls or an administrator unlocks it. MFA stays required. @default 100 */
  disableAfter?: number | null | undefined;
}

/** A table of the host, such as its sessions, from which the cleanup removes expired rows. */
export interface MfaExpiringTable {
  /** The host's entity class, registered in the same DataSource. */
  entity: Type<object>;
  /** The property that holds the expiry: a `Date`, or epoch milliseconds as number or bigint. Give its column an index. */
  expiresAt: string;
  /** Seconds that a row stays after its expiry. @default 0 */
  graceSeconds?: number | null | undefined;
}

/** The scheduled removal of expired rows. */
export interface MfaCleanupOptions {
  /** Seconds between two runs, at least 1. @default 300 */
  intervalSeconds?: number | null | undefined;
  /** Rows that one statement removes, 1 to 10000. On SQLite at most 250 are removed, because the process waits for each statement. @default 1000 */
  batchSize?: number | null | undefined;
  /** Tables of the host to clean, too. @default [] */
  tables?: readonly MfaExpiringTable[] | null | undefined;
}

/** The table `mfa_audit`, which keeps every event. */
export interface MfaAuditOptions {
  /** Days that the cleanup keeps an event, 1 to 3650. @default 365 */
  retentionDays?: number | null | undefined;
}

/** Reads TOTP secrets that another service stored as Fernet tokens. Each one is re-encrypted when it is first used. */
export interface MfaFernetOptions {
  /** Fernet keys, or the application secrets that they were derived from. Each token is tried with every key, in order. */
  keys: readonly MfaFernetKey[];
  /** Fernet tokens are refused from this time: a `Date`, or its ISO 8601 text. Fernet does not bind a token to its row. */
  until: Date | string;
}

/** Passkeys and security keys as a second factor. They need the package `@simplewebauthn/server`. */
export interface MfaPasskeyOptions {
  /** Domain that passkeys belong to, in lower case. Pages of this domain and of the domains below it can use them. A change makes every passkey unusable. */
  rpId: string;
  /** Origins whose pages may use passkeys, such as `https://login.example.com`, or `android:apk-key-hash:` with the hash of an app. */
  origins: readonly string[];
  /** Name of your application that the browser shows, 1 to 64 characters. @default the option `issuer` */
  rpName?: string | null | undefined;
  /** `'required'` refuses passkeys without PIN, fingerprint or the like. Security keys without a PIN then cannot be used. @default 'preferred' */
  userVerification?: 'preferred' | 'required' | null | undefined;
  /** Passkeys that a user may have, 1 to 20. @default 10 */
  max?: number | null | undefined;
  /** Whether a user with a passkey needs a passkey or a backup code to change factors. `false` also accepts TOTP codes, which can be phished. @default true */
  protectChanges?: boolean | null | undefined;
}

/** The cookie of a trusted browser. */
export interface MfaTrustedDeviceCookieOptions {
  /**
   * Whether the cookie has the attribute `Secure` and the prefix `__Host-`. `false` is for development over http, and is
   * refused when NODE_ENV is production. @default true
   */
  secure?: boolean | null | undefined;
}

/** Browsers and apps that a user trusts. Their logins require no second factor. */
export interface MfaTrustedDeviceOptions {
  /**
   * Days until a device must prove a second factor again, 1 to 365. Use does not prolong them. A lower value applies to
   * trusted devices at once.
   * @default 30
   */
  lifetimeDays?: number | null | undefined;
  /** Devices that a user may have, 1 to 50. A further one replaces the one that was not used for the longest time. @default 10 */
  max?: number | null | undefined;
  cookie?: MfaTrustedDeviceCookieOptions | null | undefined;
}

/** The options of `MfaModule.forRoot`, and the result of a `forRootAsync` factory. */
export interface MfaOptions {
  /** Name of your application in authenticator apps, 1 to 64 characters, no colon. */
  issuer: string;
  /** Key ring: the first key encrypts, every key decrypts. Each secret has at least 32 random bytes or characters. */
  keys: readonly MfaKey[];
  enrollment?: MfaEnrollmentOptions | null | undefined;
  totp?: MfaTotpOptions | null | undefined;
  challenge?: MfaChallengeOptions | null | undefined;
  backupCodes?: MfaBackupCodeOptions | null | undefined;
  /** Passkeys and security keys. Needs the package `@simplewebauthn/server`. @default passkeys are off */
  passkeys?: MfaPasskeyOptions | null | undefined;
  /** One policy for all users. For a policy that differs between users implement `MfaHost.policy`. @default no policy */
  policy?: MfaPolicy | null | undefined;
  /** "Don't ask again on this browser." Every call of `issue()` then needs `credentialVersion`. @default no device is trusted */
  trustedDevices?: MfaTrustedDeviceOptions | null | undefined;
  timeouts?: MfaTimeoutOptions | null | undefined;
  attempts?: MfaAttemptOptions | null | undefined;
  /** Accepts Fernet tokens as TOTP secrets until a date. @default Fernet tokens are refused */
  fernet?: MfaFernetOptions | null | undefined;
  /** Keeps every event in the table `mfa_audit`. Left out = no event is kept, and none costs a statement. */
  audit?: MfaAuditOptions | null | undefined;
  /** `false` turns the schedule off. You can still call `MfaCleanupService.purge()`. @default {} */
  cleanup?: false | MfaCleanupOptions | null | undefined;
}

/** The built-in routes. Their decorators are method decorators, such as `SetMetadata(…)`, `UseInterceptors(…)` or `Throttle(…)`. */
export interface MfaHttpOptions {
  /** Path of the routes, below the application's global prefix. @default 'mfa' */
  prefix?: string | null | undefined;
  /** Decorators for the routes that work without a session. Use `Public()` if a global guard protects all routes. @default [] */
  publicDecorators?: readonly MethodDecorator[] | null | undefined;
  /** Decorators for every route, such as those for throttling or CSRF. @default [] */
  decorators?: readonly MethodDecorator[] | null | undefined;
}

/** Options that change the module graph. They must be known before a factory runs. */
export interface MfaModuleExtras {
  /** The class of the host that extends `MfaHost`. */
  host: Type<MfaHost>;
  /** Modules that export the providers which the host class injects. @default [] */
  imports?: ModuleMetadata['imports'] | null | undefined;
  /** Whether every module of the application can inject the services. @default true */
  isGlobal?: boolean | null | undefined;
  /** Name of the TypeORM DataSource to use. @default the unnamed one */
  dataSource?: string | null | undefined;
  /** The built-in routes. `false` leaves them out. @default {} */
  http?: false | MfaHttpOptions | null | undefined;
  /** Classes of second factors that the host defines. They inject what `imports` exports. @default [] */
  factors?: readonly Type<MfaFactor>[] | null | undefined;
}
