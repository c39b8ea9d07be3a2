import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { epochMs } from '../accounts/epoch-ms.js';
import { User } from '../accounts/user.entity.js';

@Entity({ name: 'vault_transfers' })
@Index('ix_vault_transfers_user', ['userId', 'createdAtMs'])
export class Transfer {
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36, primaryKeyConstraintName: 'pk_vault_transfers' })
  id!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 36 })
  userId!: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE', onUpdate: 'NO ACTION' })
  @JoinColumn({ name: 'user_id', referencedColumnName: 'id', foreignKeyConstraintName: 'fk_vault_transfers_user' })
  user!: User;

  @Column({ name: 'recipient', type: 'varchar', length: 80 })
  recipient!: string;

  @Column({ name: 'amount_cents', type: 'integer' })
  amountCents!: number;

  @Column({ name: 'created_at_ms', type: 'bigint', transformer: epochMs })
  createdAtMs!: number;
}
