import type { Provider } from '@nestjs/common';
import { MfaAdminService } from './admin.service.js';
import { MovedRows } from './moved-rows.js';
import { RecoveryCodeIssuing } from './recovery-code-issuing.js';
import { UserMove } from './user-move.js';
import { UserPurge } from './user-purge.js';
import { UserReset } from './user-reset.js';
import { UserRowsReader } from './user-rows.js';

export const ADMIN_PROVIDERS: Provider[] = [
  ...[MovedRows, UserMove, UserPurge, UserReset, RecoveryCodeIssuing, UserRowsReader],
  MfaAdminService,
];
