import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { integerColumn as transformer } from './integer-column.js';

/**
 * Table `mfa_usage`: what has been spent. Its primary key is the replay prevention (RFC 6238 §5.2):
 * the second insert of one item fails, in whichever process. Times are epoch milliseconds.
 */
@Entity({ name: 'mfa_usage' })
@Index(['expiresAt'])
export class MfaUsageEntity {
  @PrimaryColumn({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  @PrimaryColumn({ name: 'kind', type: 'varchar', length: 16 })
  kind!: string;

  @PrimaryColumn({ name: 'item', type: 'varchar', length: 64 })
  item!: string;

  @Column({ name: 'spent_at', type: 'bigint', transformer })
  spentAt!: number;

  /** When the row may be forgotten; `null` = when the backup set is removed. */
  @Column({ name: 'expires_at', type: 'bigint', nullable: true, transformer })
  expiresAt!: number | null;
}
