import type { Provider } from '@nestjs/common';
import { MfaHostAccess } from './host-access.js';
import { SetupBinding } from './session-binding.js';

export const HOST_PROVIDERS: Provider[] = [MfaHostAccess, SetupBinding];
