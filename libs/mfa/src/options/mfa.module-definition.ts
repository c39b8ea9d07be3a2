import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { MfaModuleExtras, MfaOptions } from './mfa-options.js';

/** The extras with their defaults. List every extra: Nest uses the keys of this object as the names of the extras. */
const EXTRAS: { [K in keyof Required<MfaModuleExtras>]: MfaModuleExtras[K] } = {
  host: undefined as never,
  imports: [],
  isGlobal: true,
  dataSource: undefined,
  http: {},
  factors: [],
};

/** Injection token of the options as the host gave them. */
export const MFA_OPTIONS = Symbol.for('nestjs-mfa:options');

export const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<MfaOptions>({
  optionsInjectionToken: MFA_OPTIONS,
  // Nest 10 merges equal dynamic modules, so a second forRoot would not be noticed.
  alwaysTransient: true,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createMfaOptions')
  // The builder removes the extras from the options. MfaModule applies them.
  .setExtras(EXTRAS as MfaModuleExtras)
  .build();
