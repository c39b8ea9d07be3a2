import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { MfaModuleExtras, MfaOptions } from './mfa-options.js';

/** Every extra must stand here: Nest takes the keys of this object for the extras' names. */
const EXTRAS: { [K in keyof Required<MfaModuleExtras>]: MfaModuleExtras[K] } = {
  host: undefined as never,
  imports: [],
  isGlobal: true,
  dataSource: undefined,
  http: {},
};

/** Injection token of the options as the host gave them. */
export const MFA_OPTIONS = Symbol.for('nestjs-mfa:options');

export const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<MfaOptions>({
  optionsInjectionToken: MFA_OPTIONS,
  // Nest 10 merges dynamic modules that are alike, and a second forRoot would go unnoticed.
  alwaysTransient: true,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createMfaOptions')
  // Extras are kept out of the options; MfaModule itself applies them.
  .setExtras(EXTRAS as MfaModuleExtras)
  .build();
