import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Table `mfa_audit`: the events of users, where the option `audit` is on. Rows are only appended, and removed when they are old. */
@Entity({ name: 'mfa_audit' })
@Index(['userId', 'id'])
export class MfaAuditEntity {
  /** Begins with the time in epoch milliseconds (13 digits), so ids sort by time. */
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36 })
  id!: string;

  /** The host's user id; a keyed hash of it after the user was purged. */
  @Column({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  /** `started` = written before a change; it stays so if the process ended, or the change failed. Else `done`. */
  @Column({ name: 'state', type: 'varchar', length: 8 })
  state!: string;

  /** The event as JSON, without the user id. */
  @Column({ name: 'event', type: 'text' })
  event!: string;
}
