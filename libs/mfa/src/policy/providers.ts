import type { Provider } from '@nestjs/common';
import { MFA_POLICY_OPTION } from '../host/host-access.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { LoginPolicies } from './login-policies.js';

export const POLICY_PROVIDERS: Provider[] = [
  {
    provide: MFA_POLICY_OPTION,
    useFactory: ({ policy }: ResolvedMfaOptions) => policy,
    inject: [MFA_RESOLVED_OPTIONS],
  },
  LoginPolicies,
];
