import type { ExecutionContext, ModuleMetadata, Type } from '@nestjs/common';
import type { TotpAlgorithm } from '../domain/authenticators/authenticator.js';
import type { MfaFernetKey } from '../domain/secrets/fernet.js';
import type { MfaKey } from '../domain/secrets/key-ring.js';
import type { MfaHost } from '../host/mfa-host.js';

/** How codes are made and accepted. Stored with each authenticator, so a change concerns new ones only (but for `window`). */
export interface MfaTotpOptions {
  /** Hash of new authenticators. Some apps know only SHA1. @default 'SHA1' */
  algorithm?: TotpAlgorithm;
  /** Length of new authenticators' codes, 6 to 8. @default 6 */
  digits?: number;
  /** Seconds that a code of a new authenticator lives, 10 to 300. @default 30 */
  periodSeconds?: number;
  /** Steps accepted before and after the current one, 0 to 10; each widens what a guess can hit (RFC 6238 §5.2). @default 1 */
  window?: number;
}

/** The state between the first and the second factor. */
export interface MfaChallengeOptions {
  /** Seconds that an mfa_token lives, 30 to 3600. @default 300 */
  lifetimeSeconds?: number;
  /**
   * Where the mfa_token is read from; `null` or `undefined` = the request carries none.
   * @default body field `mfa_token`, then `Authorization: Bearer`, then `x-mfa-token`, then the cookie
   */
  extractToken?: (context: ExecutionContext) => string | null | undefined;
  /** Name of the cookie that `issue(userId, { response })` sets. @default 'mfa_token' */
  cookieName?: string;
  /** Path of that cookie. @default the path of the verify route, global prefix included */
  cookiePath?: string;
  /** Whether that cookie travels over HTTPS (and localhost) only. @default true */
  cookieSecure?: boolean;
}

export interface MfaBackupCodeOptions {
  /** Codes in a set, 4 to 20. @default 10 */
  count?: number;
  /** With so many or fewer left, status says `low`. @default 3 */
  lowAt?: number;
}

/** Guesses that each factor of a user stands (S54). One policy, counted separately per factor. */
export interface MfaAttemptOptions {
  /** Consecutive failures before a lock, at least 1. @default 5 */
  maxFailures?: number;
  /** Seconds of the first lock; each further `maxFailures` failures double it. @default 900 */
  lockSeconds?: number;
  /** Seconds of the longest lock. @default 86400 */
  maxLockSeconds?: number;
  /** Failures that may come at once within a day. @default 10 */
  dailyBurst?: number;
  /** Failures that flow back per day; any 24 hours see at most `dailyBurst + dailyRefill`, whatever succeeds meanwhile. @default 10 */
  dailyRefill?: number;
  /** Consecutive failures after which the factor is disabled until re-enrolled or unlocked; it still gates. @default 100 */
  disableAfter?: number;
}

/** A table of the host whose rows expire, to be cleaned along. */
export interface MfaExpiringTable {
  /** The host's entity class, registered in the same DataSource. */
  entity: Type<object>;
  /** The property that holds the expiry: a `Date`, or epoch milliseconds as number or bigint. Give its column an index. */
  expiresAt: string;
  /** Seconds that a row stays after its expiry. @default 0 */
  graceSeconds?: number;
}

export interface MfaCleanupOptions {
  /** Seconds between two runs, at least 1. @default 300 */
  intervalSeconds?: number;
  /** Rows removed by one statement, 1 to 10000; on SQLite at most 250, since the process stands still. @default 1000 */
  batchSize?: number;
  /** Tables of the host to be cleaned along. @default [] */
  tables?: readonly MfaExpiringTable[];
}

/** Reading TOTP secrets that another service stored as Fernet tokens; each is sealed anew when it is first used. */
export interface MfaFernetOptions {
  /** Fernet keys, or the application secrets they were derived from; tried in order. */
  keys: readonly MfaFernetKey[];
  /** From then on Fernet tokens are refused: a `Date`, or its ISO 8601 text. Fernet does not bind a token to its row. */
  until: Date | string;
}

/** What `forRoot` takes and a `forRootAsync` factory returns. */
export interface MfaOptions {
  /** Who the codes are for, as authenticator apps show it; 1 to 64 characters, no colon. */
  issuer: string;
  /** Key ring: the first key writes, all can read. Each secret has at least 32 random bytes (or characters). */
  keys: readonly MfaKey[];
  /**
   * What the first enrollment demands besides a session (S12): the host's `verifyPassword`, a sign-in at most
   * 5 minutes old (`principal.authenticatedAt`), or nothing more. @default 'password' where the host has
   * `verifyPassword`; otherwise it must be said
   */
  enrollment?: 'password' | 'recent-sign-in' | 'session-only';
  /** Seconds that a pending secret waits for its first code, 60 to 3600. @default 600 */
  setupLifetimeSeconds?: number;
  /** Authenticators a user may have, 1 to 10; each one adds to what a guess can hit. @default 5 */
  maxAuthenticators?: number;
  /** Whether `POST /mfa/disable` takes a password instead of a code; needs `verifyPassword`. @default false */
  disableWithPassword?: boolean;
  /** Seconds to wait for a database connection before 503, 1 to 60. @default 5 */
  acquireTimeoutSeconds?: number;
  /** Seconds to wait for a statement before 503, 1 to 300; the statement itself goes on until the database ends it. @default 10 */
  statementTimeoutSeconds?: number;
  totp?: MfaTotpOptions;
  challenge?: MfaChallengeOptions;
  backupCodes?: MfaBackupCodeOptions;
  attempts?: MfaAttemptOptions;
  /** Reads Fernet tokens in the secrets' column until a date. @default not at all */
  fernet?: MfaFernetOptions;
  /** `false` switches the schedule off; `MfaCleanupService.purge()` stays callable. @default {} */
  cleanup?: false | MfaCleanupOptions;
}

/** What changes the module graph, and so must be known before any factory runs. */
export interface MfaModuleExtras {
  /** The host's one adapter class. */
  host: Type<MfaHost>;
  /** Modules that export what the host class injects. @default [] */
  imports?: ModuleMetadata['imports'];
  /** Whether every module of the application sees the services. @default true */
  isGlobal?: boolean;
  /** Name of the TypeORM DataSource to use. @default the unnamed one */
  dataSource?: string;
  /** Where the built-in controllers live; `false` leaves them out. @default { prefix: 'mfa' } */
  http?: false | { prefix?: string };
  /** Decorators of the host for the verification route, as `Public()`, where a global guard would block it. @default [] */
  publicRoute?: readonly MethodDecorator[];
  /** `'everywhere'` demands a second factor on every route but those of `@SkipMfa()` and the module's own. @default 'marked' */
  requireMfa?: 'marked' | 'everywhere';
}
