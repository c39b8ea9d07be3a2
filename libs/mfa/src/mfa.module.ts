import { Module, type ConfigurableModuleAsyncOptions, type DynamicModule, type Provider } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { MfaAdminService } from './admin/admin.service.js';
import { ChallengeCookie, MFA_ROUTES_PATH } from './challenge/challenge-cookie.js';
import { ChallengeTokens } from './challenge/challenge-tokens.js';
import { MfaChallengeService } from './challenge/challenge.service.js';
import { MfaCleanupService } from './cleanup/cleanup.service.js';
import { BackupCodeHasher } from './domain/backup-codes/backup-code-hash.js';
import { processHashQueue } from './domain/backup-codes/hash-queue.js';
import { MfaClock, SystemClock } from './domain/clock.js';
import { MfaRandom, SystemRandom } from './domain/random.js';
import { FernetFormat } from './domain/secrets/fernet-format.js';
import { SecretBox } from './domain/secrets/secret-box.js';
import { AuthenticatorConfirmation } from './enrollment/authenticator-confirmation.js';
import { AuthenticatorRemoval } from './enrollment/authenticator-removal.js';
import { AuthenticatorSetup } from './enrollment/authenticator-setup.js';
import { BackupCodeIssuing } from './enrollment/backup-code-issuing.js';
import { MfaBackupCodeService } from './enrollment/backup-code.service.js';
import { MfaEnrollmentService } from './enrollment/enrollment.service.js';
import { EnrollmentProof } from './enrollment/enrollment-proof.js';
import { ReauthenticationCheck } from './enrollment/reauthentication-check.js';
import { SetupImages } from './enrollment/setup-images.js';
import { ThrowsMfaException, throwingMfaException } from './errors/throws-mfa-exception.js';
import { MfaEvents } from './events/mfa-events.js';
import { MFA_GUARD, MfaGuard } from './guard/mfa.guard.js';
import { RouteAccess } from './guard/route-access.js';
import { TokenExtractor } from './guard/token-extractor.js';
import { MfaHostAccess } from './host/host-access.js';
import { MfaHost } from './host/mfa-host.js';
import { createMfaControllers } from './http/mfa.controllers.js';
import { BootLog } from './http/boot-log.js';
import { commonPathOnce } from './http/mounted-routes.js';
import { MfaExceptionFilter } from './http/mfa-exception.filter.js';
import { RequestReader } from './http/request-reader.js';
import { MfaKeyService } from './keys/key.service.js';
import { ReencryptOnUse } from './keys/reencrypt-on-use.js';
import { requireOneCopy } from './dual-package-check.js';
import { ConfigurableModuleClass, MFA_OPTIONS } from './options/mfa.module-definition.js';
import type { MfaModuleExtras, MfaOptions } from './options/mfa-options.js';
import { flag, list, misconfigured } from './options/option-checks.js';
import { resolveHttp } from './options/resolve-http.js';
import { MFA_RESOLVED_OPTIONS, resolveOptions, type ResolvedMfaOptions } from './options/resolve-options.js';
import { plainOptions, requireKnownAsyncOptions, requireKnownOptions } from './options/unknown-options.js';
import { MFA_ENTITIES } from './persistence/entities/index.js';
import { PersistenceCheck, persistenceProviders } from './persistence/providers.js';
import { BARE_IMPORT, ONE_IMPORT } from './registration.js';
import { RequestScopeCheck } from './request-scope-check.js';
import { MfaStatusService } from './status/status.service.js';
import { SecretReader } from './totp/secret-reader.js';
import { TotpService } from './totp/totp.service.js';
import { AttemptLimiter } from './verification/attempt-limiter.js';
import { ProofVerifier } from './verification/proof-verifier.js';
import { LoginCompletion } from './verification/login-completion.js';
import { BackupCodeFactor } from './verification/factors/backup-code.factor.js';
import { TotpFactor } from './verification/factors/totp.factor.js';
import { MFA_FACTORS } from './verification/mfa-factor.js';
import { StepUpCompletion } from './verification/step-up-completion.js';
import { SupersededSessions } from './verification/superseded-sessions.js';
import { MfaVerificationService } from './verification/verification.service.js';

/** What the application's own code may inject. */
const SERVICES = [
  TotpService,
  MfaEnrollmentService,
  MfaBackupCodeService,
  MfaChallengeService,
  MfaVerificationService,
  MfaStatusService,
  MfaAdminService,
  MfaCleanupService,
  MfaKeyService,
];

const PARTS: Provider[] = [
  { provide: MFA_RESOLVED_OPTIONS, useFactory: resolveOptions, inject: [MFA_OPTIONS] },
  { provide: MfaClock, useClass: SystemClock },
  { provide: MfaRandom, useClass: SystemRandom },
  {
    provide: SecretBox,
    useFactory: ({ keyRing, fernet }: ResolvedMfaOptions, random: MfaRandom, clock: MfaClock) =>
      new SecretBox(keyRing, random, fernet ? [new FernetFormat(fernet, clock)] : []),
    inject: [MFA_RESOLVED_OPTIONS, MfaRandom, MfaClock],
  },
  {
    provide: BackupCodeHasher,
    useFactory: (random: MfaRandom) => new BackupCodeHasher(processHashQueue, random),
    inject: [MfaRandom],
  },
  {
    provide: MFA_FACTORS,
    useFactory: (totp: TotpFactor, backupCode: BackupCodeFactor) => [totp, backupCode],
    inject: [TotpFactor, BackupCodeFactor],
  },
  ...[MfaHostAccess, MfaEvents, SecretReader, ReencryptOnUse],
  { provide: MFA_ROUTES_PATH, useFactory: commonPathOnce, inject: [ApplicationConfig, ModulesContainer] },
  ...[ChallengeCookie, ChallengeTokens, TokenExtractor, RouteAccess],
  ...[
    AttemptLimiter,
    ProofVerifier,
    SupersededSessions,
    LoginCompletion,
    StepUpCompletion,
    TotpFactor,
    BackupCodeFactor,
  ],
  ...[
    EnrollmentProof,
    ReauthenticationCheck,
    AuthenticatorSetup,
    AuthenticatorConfirmation,
    AuthenticatorRemoval,
    BackupCodeIssuing,
    SetupImages,
  ],
  MfaGuard,
  { provide: MFA_GUARD, useExisting: MfaGuard },
  MfaExceptionFilter,
  RequestReader,
  PersistenceCheck,
  BootLog,
];

/** Options of a `useClass` or `useExisting` class. */
export interface MfaOptionsFactory {
  createMfaOptions(): MfaOptions | Promise<MfaOptions>;
}

type NestAsyncOptions = ConfigurableModuleAsyncOptions<MfaOptions, 'createMfaOptions'>;

/** `useFactory` (with `inject`), `useClass` or `useExisting`. */
export type MfaAsyncOptions = {
  [Name in Exclude<keyof NestAsyncOptions, 'imports'>]?: NestAsyncOptions[Name] | undefined;
};

/** Multi-factor authentication for an application that keeps its own login. */
@Module({ providers: [BARE_IMPORT] })
@ThrowsMfaException()
export class MfaModule {
  constructor() {
    requireOneCopy();
  }

  static forRoot(options: MfaOptions & MfaModuleExtras): DynamicModule {
    requireKnownOptions(options);
    return assemble(ConfigurableModuleClass.forRoot(plainOptions(options)), options);
  }

  /** With `useFactory`, `useClass` or `useExisting` (a class with `createMfaOptions()`); the extras are given beside it. */
  static forRootAsync(options: MfaAsyncOptions & MfaModuleExtras): DynamicModule {
    requireKnownAsyncOptions(options);
    if (!options.useFactory && !options.useClass && !options.useExisting) {
      throw misconfigured('forRootAsync needs `useFactory`, `useClass` or `useExisting`');
    }
    return assemble(ConfigurableModuleClass.forRootAsync(options as NestAsyncOptions), options);
  }
}

/** What a factory refuses at boot is an `MfaException` too. */
function throwingAtBoot(provider: Provider): Provider {
  if (typeof provider === 'function' || !('useFactory' in provider)) return provider;
  return { ...provider, useFactory: throwingMfaException(provider.useFactory) };
}

function assemble(definition: DynamicModule, extras: MfaModuleExtras): DynamicModule {
  const { host, dataSource } = extras;
  if (typeof host !== 'function') {
    throw misconfigured('option `host` is missing; give your class that extends MfaHost');
  }
  const http = resolveHttp(extras.http);
  return {
    ...definition,
    module: MfaModule,
    global: flag('isGlobal', extras.isGlobal, true),
    imports: [
      ...new Set([...(definition.imports ?? []), ...list('imports', extras.imports)]),
      TypeOrmModule.forFeature(MFA_ENTITIES, dataSource ?? undefined),
    ],
    controllers: http ? createMfaControllers(http) : [],
    providers: [
      RequestScopeCheck,
      ...(definition.providers ?? []),
      ONE_IMPORT,
      { provide: MfaHost, useClass: host },
      ...[...persistenceProviders(getDataSourceToken(dataSource ?? undefined)), ...PARTS].map(throwingAtBoot),
      ...SERVICES,
    ],
    exports: [...SERVICES, MfaGuard, MfaExceptionFilter, MfaClock],
  };
}
