import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { integerColumn as transformer } from './integer-column.js';

/**
 * Table `mfa_policy_seen`: when a user first logged in under a policy that requires MFA. A row is inserted once and never
 * changed. Times are epoch milliseconds.
 */
@Entity({ name: 'mfa_policy_seen' })
@Index(['policyId', 'firstSeenAt', 'userId'])
export class MfaPolicySeenEntity {
  @PrimaryColumn({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  @PrimaryColumn({ name: 'policy_id', type: 'varchar', length: 64 })
  policyId!: string;

  @Column({ name: 'first_seen_at', type: 'bigint', transformer })
  firstSeenAt!: number;
}
