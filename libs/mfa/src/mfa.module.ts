import { Module, type ConfigurableModuleAsyncOptions, type DynamicModule, type Provider } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import { MfaAdminService } from './admin/admin.service.js';
import { ADMIN_PROVIDERS } from './admin/providers.js';
import { MfaAuditService } from './audit/audit.service.js';
import { MfaChallengeService } from './challenge/challenge.service.js';
import { CHALLENGE_PROVIDERS } from './challenge/providers.js';
import { MfaCleanupService } from './cleanup/cleanup.service.js';
import { MfaDeviceService } from './devices/device.service.js';
import { DEVICE_PROVIDERS } from './devices/providers.js';
import { MfaClock } from './domain/clock.js';
import { requireOneCopy } from './dual-package-check.js';
import { MfaEnrollmentService } from './enrollment/enrollment.service.js';
import { ENROLLMENT_PROVIDERS } from './enrollment/providers.js';
import { ThrowsMfaException, throwingMfaException } from './errors/throws-mfa-exception.js';
import { EVENT_PROVIDERS } from './events/providers.js';
import { MfaShutdownModule } from './events/shutdown.module.js';
import { MfaBackupCodeService } from './factors/backup-codes/backup-code.service.js';
import { factorProviders } from './factors/providers.js';
import { MfaPasskeyService } from './factors/passkey/passkey.service.js';
import { TotpService } from './factors/totp/totp.service.js';
import { MfaGuard } from './guard/mfa.guard.js';
import { GUARD_PROVIDERS } from './guard/providers.js';
import { MfaHost } from './host/mfa-host.js';
import { HOST_PROVIDERS } from './host/providers.js';
import { createMfaControllers } from './http/mfa.controllers.js';
import { MfaExceptionFilter } from './http/mfa-exception.filter.js';
import { HTTP_PROVIDERS } from './http/providers.js';
import { MfaKeyService } from './keys/key.service.js';
import { KEY_PROVIDERS } from './keys/providers.js';
import { ConfigurableModuleClass, MFA_OPTIONS } from './options/mfa.module-definition.js';
import type { MfaModuleExtras, MfaOptions } from './options/mfa-options.js';
import { classes, flag, list, misconfigured } from './options/option-checks.js';
import { resolveHttp } from './options/resolve-http.js';
import { MFA_RESOLVED_OPTIONS, resolveOptions } from './options/resolve-options.js';
import { plainOptions, requireKnownAsyncOptions, requireKnownOptions } from './options/unknown-options.js';
import { MFA_ENTITIES } from './persistence/entities/index.js';
import { persistenceProviders } from './persistence/providers.js';
import { POLICY_PROVIDERS } from './policy/providers.js';
import { BARE_IMPORT, ONE_IMPORT } from './registration.js';
import { RequestScopeCheck } from './request-scope-check.js';
import { MfaStatusService } from './status/status.service.js';
import { MfaVerificationService } from './verification/verification.service.js';
import { VERIFICATION_PROVIDERS } from './verification/providers.js';

const PROVIDERS: Provider[] = [
  { provide: MFA_RESOLVED_OPTIONS, useFactory: resolveOptions, inject: [MFA_OPTIONS] },
  ...[...KEY_PROVIDERS, ...HOST_PROVIDERS, ...EVENT_PROVIDERS],
  ...[...POLICY_PROVIDERS, ...DEVICE_PROVIDERS],
  ...[...CHALLENGE_PROVIDERS, ...VERIFICATION_PROVIDERS, ...ENROLLMENT_PROVIDERS],
  ...[...GUARD_PROVIDERS, ...HTTP_PROVIDERS],
  ...[...ADMIN_PROVIDERS, MfaStatusService, MfaAuditService, MfaCleanupService],
];

/** What the application may inject. */
const EXPORTS = [
  TotpService,
  MfaEnrollmentService,
  MfaBackupCodeService,
  MfaPasskeyService,
  MfaDeviceService,
  MfaChallengeService,
  MfaVerificationService,
  MfaStatusService,
  MfaAdminService,
  MfaAuditService,
  MfaCleanupService,
  MfaKeyService,
  MfaGuard,
  MfaExceptionFilter,
  MfaClock,
];

/** Implemented by a class for `useClass` or `useExisting` of `forRootAsync`. */
export interface MfaOptionsFactory {
  createMfaOptions(): MfaOptions | Promise<MfaOptions>;
}

type NestAsyncOptions = ConfigurableModuleAsyncOptions<MfaOptions, 'createMfaOptions'>;

/** The options of `MfaModule.forRootAsync`: `useFactory` (with `inject`), `useClass` or `useExisting`, and the extras. */
export type MfaAsyncOptions = {
  [Name in Exclude<keyof NestAsyncOptions, 'imports'>]?: NestAsyncOptions[Name] | undefined;
};

/** The module of nestjs-mfa: multi-factor authentication for an application with its own login. */
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

  /** With `useFactory`, `useClass` or `useExisting` (a class with `createMfaOptions()`); give the static extras in the same object. */
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
      MfaShutdownModule,
    ],
    controllers: http ? createMfaControllers(http) : [],
    providers: [
      RequestScopeCheck,
      ...(definition.providers ?? []),
      ONE_IMPORT,
      { provide: MfaHost, useClass: host },
      ...[
        ...persistenceProviders(getDataSourceToken(dataSource ?? undefined)),
        ...PROVIDERS,
        ...factorProviders(classes('factors', extras.factors)),
      ].map(throwingAtBoot),
    ],
    exports: EXPORTS,
  };
}
