import type { Provider } from '@nestjs/common';
import { MfaHostAccess } from './host-access.js';

export const HOST_PROVIDERS: Provider[] = [MfaHostAccess];
