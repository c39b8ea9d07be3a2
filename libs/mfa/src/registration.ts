import type { Provider } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { MfaException } from './errors/mfa.exception.js';

/** Injection token that each import of the module provides, whatever copy of the library it comes from. */
const MFA_REGISTRATION = Symbol.for('nestjs-mfa:registration');

const refuse = (message: string): never => {
  throw new MfaException('MFA_MISCONFIGURED', { message: `MfaModule: ${message}` });
};

/** Of the class alone; `forRoot` and `forRootAsync` replace it by {@link ONE_IMPORT}. */
export const BARE_IMPORT: Provider = {
  provide: MFA_REGISTRATION,
  useFactory: () =>
    refuse(
      '`imports: [MfaModule]` has no options. Import `MfaModule.forRoot({ issuer, keys, host })` once, in the root module. ' +
        'It is global, so that other modules inject its services without importing it; with `isGlobal: false`, import ' +
        'the constant that holds the result of forRoot',
    ),
};

/** Refuses a second import in one application: routes would exist twice, with options of their own each. */
export const ONE_IMPORT: Provider = {
  provide: MFA_REGISTRATION,
  inject: [ModulesContainer],
  useFactory: (modules: ModulesContainer) => {
    const imports = [...modules.values()].filter(({ providers }) => providers.has(MFA_REGISTRATION)).length;
    if (imports === 1) return imports;
    return refuse(
      `forRoot or forRootAsync is imported ${imports} times in this application. Import it once, in the root module. ` +
        'It is global, so that other modules inject its services without importing it; with `isGlobal: false`, keep ' +
        'the result of forRoot in one constant and import that',
    );
  },
};
