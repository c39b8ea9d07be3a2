import { createHash } from 'node:crypto';
import type { TestingModuleBuilder } from '@nestjs/testing';
import { BackupCodeHasher, type HashedCode } from '../../libs/mfa/src/domain/backup-codes/backup-code-hash.js';

/** For specs that enroll hundreds of users and are not about Argon2, which would take all of their time. */
class QuickHasher {
  private readonly hash = (code: string) => createHash('sha256').update(code).digest('hex');
  async hashSet(codes: readonly string[]) {
    return codes.map(this.hash);
  }
  async match(code: string, hashes: readonly HashedCode[]) {
    return hashes.find(({ phc }) => phc === this.hash(code))?.id ?? null;
  }
}

/** For `override` of `startHostApp`. */
export const withQuickHasher = (builder: TestingModuleBuilder): TestingModuleBuilder =>
  builder.overrideProvider(BackupCodeHasher).useValue(new QuickHasher());
