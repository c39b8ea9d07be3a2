import type { Provider } from '@nestjs/common';
import { MFA_GUARD, MfaGuard } from './mfa.guard.js';
import { RouteAccess } from './route-access.js';
import { TokenExtractor } from './token-extractor.js';

export const GUARD_PROVIDERS: Provider[] = [
  TokenExtractor,
  RouteAccess,
  MfaGuard,
  { provide: MFA_GUARD, useExisting: MfaGuard },
];
