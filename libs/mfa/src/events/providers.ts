import type { Provider } from '@nestjs/common';
import { AuditTrail } from './audit-trail.js';
import { MfaEvents } from './mfa-events.js';

export const EVENT_PROVIDERS: Provider[] = [AuditTrail, MfaEvents];
