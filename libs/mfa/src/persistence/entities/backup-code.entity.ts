import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { integerColumn as transformer } from './integer-column.js';

/** Table `mfa_backup_code`: sealed hashes of backup codes, in sets. Times are epoch milliseconds. */
@Entity({ name: 'mfa_backup_code' })
@Index(['userId', 'setId'])
@Index(['expiresAt'])
export class MfaBackupCodeEntity {
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36 })
  id!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  @Column({ name: 'set_id', type: 'varchar', length: 36 })
  setId!: string;

  /** Sealed Argon2id hash. */
  @Column({ name: 'hash', type: 'text' })
  hash!: string;

  /** A projection of the usage row, which decides. */
  @Column({ name: 'used_at', type: 'bigint', nullable: true, transformer })
  usedAt!: number | null;

  /** When the row may be collected unless the account names its set; `null` = not at all. */
  @Column({ name: 'expires_at', type: 'bigint', nullable: true, transformer })
  expiresAt!: number | null;
}
