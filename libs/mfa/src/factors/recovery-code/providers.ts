import type { Provider } from '@nestjs/common';
import { RecoveryCodeFactor } from './recovery-code.factor.js';

export const RECOVERY_CODE_PROVIDERS: Provider[] = [RecoveryCodeFactor];
