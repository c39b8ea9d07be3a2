import type { Provider } from '@nestjs/common';
import { BackupCodeHasher } from '../../domain/backup-codes/backup-code-hash.js';
import { processHashQueue } from '../../domain/backup-codes/hash-queue.js';
import { MfaRandom } from '../../domain/random.js';
import { BackupCodeIssuing } from './backup-code-issuing.js';
import { BackupCodeFactor } from './backup-code.factor.js';
import { FactorActivation } from './factor-activation.js';
import { MfaBackupCodeService } from './backup-code.service.js';

export const BACKUP_CODE_PROVIDERS: Provider[] = [
  {
    provide: BackupCodeHasher,
    useFactory: (random: MfaRandom) => new BackupCodeHasher(processHashQueue, random),
    inject: [MfaRandom],
  },
  BackupCodeIssuing,
  FactorActivation,
  BackupCodeFactor,
  MfaBackupCodeService,
];
