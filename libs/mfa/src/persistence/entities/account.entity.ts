import { Column, Entity, PrimaryColumn } from 'typeorm';
import { integerColumn as transformer } from './integer-column.js';

/**
 * Table `mfa_account`: a user's one row. It says what is live and counts attempts; every change of
 * several rows is switched over here by one conditional write.
 *
 * One column for each counter instead of embedded objects, because a host's naming strategy prefixes
 * embedded columns as it likes.
 */
@Entity({ name: 'mfa_account' })
export class MfaAccountEntity {
  /** The host's user id. */
  @PrimaryColumn({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  /** mfa_tokens of another epoch are dead. */
  @Column({ name: 'epoch', type: 'bigint', transformer })
  epoch!: number;

  /** Compare-and-swap value of changes. */
  @Column({ name: 'version', type: 'bigint', transformer })
  version!: number;

  /** Ids of the confirmed authenticators, oldest first, separated by commas; empty = none. */
  @Column({ name: 'active_ids', type: 'varchar', length: 400 })
  activeIds!: string;

  @Column({ name: 'pending_id', type: 'varchar', length: 36, nullable: true })
  pendingId!: string | null;

  @Column({ name: 'backup_set_id', type: 'varchar', length: 36, nullable: true })
  backupSetId!: string | null;

  @Column({ name: 'totp_failures', type: 'int' })
  totpFailures!: number;

  @Column({ name: 'totp_locked_until', type: 'bigint', transformer })
  totpLockedUntil!: number;

  @Column({ name: 'totp_tat', type: 'bigint', transformer })
  totpTat!: number;

  @Column({ name: 'backup_code_failures', type: 'int' })
  backupCodeFailures!: number;

  @Column({ name: 'backup_code_locked_until', type: 'bigint', transformer })
  backupCodeLockedUntil!: number;

  @Column({ name: 'backup_code_tat', type: 'bigint', transformer })
  backupCodeTat!: number;

  @Column({ name: 'password_failures', type: 'int' })
  passwordFailures!: number;

  @Column({ name: 'password_locked_until', type: 'bigint', transformer })
  passwordLockedUntil!: number;

  @Column({ name: 'password_tat', type: 'bigint', transformer })
  passwordTat!: number;

  @Column({ name: 'confirmation_failures', type: 'int' })
  confirmationFailures!: number;

  @Column({ name: 'confirmation_locked_until', type: 'bigint', transformer })
  confirmationLockedUntil!: number;

  @Column({ name: 'confirmation_tat', type: 'bigint', transformer })
  confirmationTat!: number;
}
