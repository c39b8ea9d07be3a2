import type { ExecutionContext, ModuleMetadata, Type } from '@nestjs/common';
import type { TotpAlgorithm } from '../domain/authenticators/authenticator.js';
import type { MfaFernetKey } from '../domain/secrets/fernet.js';
import type { MfaKey } from '../domain/secrets/key-ring.js';
import type { MfaEnrollmentProof, MfaHost } from '../host/mfa-host.js';

/** How codes are made and accepted. Each authenticator stores its own values, so a change applies to new ones only. `window` applies to all. */
export interface MfaTotpOptions {
  /** Hash of new authenticators. Some apps support only SHA1. @default 'SHA1' */
  algorithm?: TotpAlgorithm | null | undefined;
  /** Length of new authenticators' codes, 6 to 8. @default 6 */
  digits?: number | null | undefined;
  /** Seconds that a code of a new authenticator lives, 10 to 300. @default 30 */
  periodSeconds?: number | null | undefined;
  /** Steps accepted before and after the current one, 0 to 10. Each one raises the chance of a guess (RFC 6238 §5.2). @default 1 */
  window?: number | null | undefined;
}

/** How a user gets, and gives up, an authenticator. */
export interface MfaEnrollmentOptions {
  /**
   * What the first enrollment requires besides a session: the host's `verifyPassword`, a sign-in at most 5 minutes
   * old (`principal.authenticatedAt`), or nothing more. @default 'password' where the host has `verifyPassword`;
   * without it this option is required
   */
  proof?: MfaEnrollmentProof | null | undefined;
  /** Seconds that a pending secret waits for its first code, 60 to 3600. @default 600 */
  setupLifetimeSeconds?: number | null | undefined;
  /** Authenticators that a user may have, 1 to 10. Each one raises the chance of a guess. @default 5 */
  maxAuthenticators?: number | null | undefined;
  /** Whether `POST /mfa/disable` accepts a password instead of a code. It needs `verifyPassword`. @default false */
  disableWithPassword?: boolean | null | undefined;
}

/** The cookie that `issue()` sets for logins that redirect. */
export interface MfaChallengeCookieOptions {
  /** Name of the cookie. `__Host-` and `__Secure-` names must meet the rules of their prefix. @default 'mfa_token' */
  name?: string | null | undefined;
  /** Path of the cookie. @default the path of the built-in routes, global prefix included */
  path?: string | null | undefined;
  /** Whether browsers send the cookie over HTTPS (and to localhost) only. @default true */
  secure?: boolean | null | undefined;
  /** The `SameSite` attribute. `'none'` needs `secure`. @default 'lax' */
  sameSite?: 'lax' | 'strict' | 'none' | null | undefined;
  /** The `Domain` attribute, for a login on another subdomain. @default the host of the response only */
  domain?: string | null | undefined;
}

/** The state between the first and the second factor. */
export interface MfaChallengeOptions {
  /** Seconds that an mfa_token lives, 30 to 3600. @default 300 */
  lifetimeSeconds?: number | null | undefined;
  /**
   * Where the mfa_token is read from; `null` or `undefined` = the request carries none.
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

export interface MfaBackupCodeOptions {
  /** Codes in a set, 4 to 20. @default 10 */
  count?: number | null | undefined;
  /** Unused codes at or below which the status is `low`. @default 3 */
  lowAt?: number | null | undefined;
}

/** Limits of wrong attempts. One policy, counted per user and factor. */
export interface MfaAttemptOptions {
  /** Failures in a row before a lock, at least 1. @default 5 */
  maxFailures?: number | null | undefined;
  /** Seconds of the first lock; each further `maxFailures` failures double it. @default 900 */
  lockSeconds?: number | null | undefined;
  /** Seconds of the longest lock. @default 86400 */
  maxLockSeconds?: number | null | undefined;
  /** Failures that are possible at once within a day. @default 10 */
  dailyBurst?: number | null | undefined;
  /** Failures that become possible again per day. Any 24 hours have at most `dailyBurst + dailyRefill`, whatever succeeds meanwhile. @default 10 */
  dailyRefill?: number | null | undefined;
  /** Failures in a row that disable the factor until the user re-enrolls or an administrator unlocks it. MFA stays required. @default 100 */
  disableAfter?: number | null | undefined;
}

/** A table of the host whose expired rows the cleanup removes. */
export interface MfaExpiringTable {
  /** The host's entity class, registered in the same DataSource. */
  entity: Type<object>;
  /** The property that holds the expiry: a `Date`, or epoch milliseconds as number or bigint. Give its column an index. */
  expiresAt: string;
  /** Seconds that a row stays after its expiry. @default 0 */
  graceSeconds?: number | null | undefined;
}

export interface MfaCleanupOptions {
  /** Seconds between two runs, at least 1. @default 300 */
  intervalSeconds?: number | null | undefined;
  /** Rows that one statement removes, 1 to 10000. On SQLite at most 250, because the process waits for each statement. @default 1000 */
  batchSize?: number | null | undefined;
  /** Tables of the host whose expired rows the cleanup removes. @default [] */
  tables?: readonly MfaExpiringTable[] | null | undefined;
}

/** Reads TOTP secrets that another service stored as Fernet tokens. Each one is re-encrypted when it is first used. */
export interface MfaFernetOptions {
  /** Fernet keys, or the application secrets they were derived from; tried in order. */
  keys: readonly MfaFernetKey[];
  /** Fernet tokens are refused from this time: a `Date`, or its ISO 8601 text. Fernet does not bind a token to its row. */
  until: Date | string;
}

/** What `forRoot` takes and a `forRootAsync` factory returns. */
export interface MfaOptions {
  /** Name of your application in authenticator apps, 1 to 64 characters, no colon. */
  issuer: string;
  /** Key ring: the first key encrypts, every key decrypts. Each secret has at least 32 random bytes (or characters). */
  keys: readonly MfaKey[];
  enrollment?: MfaEnrollmentOptions | null | undefined;
  totp?: MfaTotpOptions | null | undefined;
  challenge?: MfaChallengeOptions | null | undefined;
  backupCodes?: MfaBackupCodeOptions | null | undefined;
  timeouts?: MfaTimeoutOptions | null | undefined;
  attempts?: MfaAttemptOptions | null | undefined;
  /** Reads Fernet tokens in the secrets' column until a date. @default not at all */
  fernet?: MfaFernetOptions | null | undefined;
  /** `false` turns the schedule off. `MfaCleanupService.purge()` still works. @default {} */
  cleanup?: false | MfaCleanupOptions | null | undefined;
}

/** The built-in routes. Decorators are those of methods, such as Nest's `SetMetadata(…)`, `UseInterceptors(…)` or `Throttle(…)`. */
export interface MfaHttpOptions {
  /** Path of the routes, below the application's global prefix. @default 'mfa' */
  prefix?: string | null | undefined;
  /** Decorators for every route that also works without a session, such as `Public()` where a global guard protects all routes. @default [] */
  publicDecorators?: readonly MethodDecorator[] | null | undefined;
  /** Decorators for every route, such as those for throttling or CSRF. @default [] */
  decorators?: readonly MethodDecorator[] | null | undefined;
}

/** Options that change the module graph. They must be known before a factory runs. */
export interface MfaModuleExtras {
  /** The host's one adapter class. */
  host: Type<MfaHost>;
  /** Modules that export what the host class injects. @default [] */
  imports?: ModuleMetadata['imports'] | null | undefined;
  /** Whether every module of the application sees the services. @default true */
  isGlobal?: boolean | null | undefined;
  /** Name of the TypeORM DataSource to use. @default the unnamed one */
  dataSource?: string | null | undefined;
  /** The built-in routes. `false` leaves them out. @default {} */
  http?: false | MfaHttpOptions | null | undefined;
}
