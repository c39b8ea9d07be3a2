import type { Provider } from '@nestjs/common';
import { MfaEvents } from './mfa-events.js';

export const EVENT_PROVIDERS: Provider[] = [MfaEvents];
