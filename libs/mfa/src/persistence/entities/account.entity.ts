import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { integerColumn as transformer } from './integer-column.js';

/**
 * Table `mfa_account`: a user's one row. It names what is live and counts attempts; every change of
 * several rows is switched over here by one conditional write.
 *
 * One column for each counter instead of embedded objects, because a host's naming strategy prefixes
 * embedded columns as it likes.
 */
@Entity({ name: 'mfa_account' })
@Index(['lockedUntil', 'userId'])
@Index(['mostFailures', 'userId'])
@Index(['backupCodesLeft', 'userId'])
@Index(['mustEnrollSince', 'userId'])
@Index(['lastChangeId'])
export class MfaAccountEntity {
  /** The host's user id. */
  @PrimaryColumn({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  /** Raising it ends what was issued before: mfa_tokens and pending setups. */
  @Column({ name: 'security_stamp', type: 'bigint', transformer })
  securityStamp!: number;

  /** Compare-and-swap value of changes. */
  @Column({ name: 'row_version', type: 'bigint', transformer })
  rowVersion!: number;

  /** The confirmed authenticators as `type:id`, oldest first, separated by commas. Empty means that MFA is off. */
  @Column({ name: 'active_ids', type: 'varchar', length: 2000 })
  activeIds!: string;

  @Column({ name: 'pending_id', type: 'varchar', length: 36, nullable: true })
  pendingId!: string | null;

  @Column({ name: 'backup_set_id', type: 'varchar', length: 36, nullable: true })
  backupSetId!: string | null;

  @Column({ name: 'totp_failures', type: 'int' })
  totpFailures!: number;

  @Column({ name: 'totp_locked_until', type: 'bigint', transformer })
  totpLockedUntil!: number;

  @Column({ name: 'totp_daily_tat', type: 'bigint', transformer })
  totpDailyTat!: number;

  @Column({ name: 'backup_code_failures', type: 'int' })
  backupCodeFailures!: number;

  @Column({ name: 'backup_code_locked_until', type: 'bigint', transformer })
  backupCodeLockedUntil!: number;

  @Column({ name: 'backup_code_daily_tat', type: 'bigint', transformer })
  backupCodeDailyTat!: number;

  @Column({ name: 'password_failures', type: 'int' })
  passwordFailures!: number;

  @Column({ name: 'password_locked_until', type: 'bigint', transformer })
  passwordLockedUntil!: number;

  @Column({ name: 'password_daily_tat', type: 'bigint', transformer })
  passwordDailyTat!: number;

  @Column({ name: 'confirmation_failures', type: 'int' })
  confirmationFailures!: number;

  @Column({ name: 'confirmation_locked_until', type: 'bigint', transformer })
  confirmationLockedUntil!: number;

  @Column({ name: 'confirmation_daily_tat', type: 'bigint', transformer })
  confirmationDailyTat!: number;

  @Column({ name: 'other_failures', type: 'int', default: 0 })
  otherFailures!: number;

  @Column({ name: 'other_locked_until', type: 'bigint', default: 0, transformer })
  otherLockedUntil!: number;

  @Column({ name: 'other_daily_tat', type: 'bigint', default: 0, transformer })
  otherDailyTat!: number;

  /** The WebAuthn user handle: 64 random bytes in base64url. `null` until the first passkey setup. */
  @Column({ name: 'user_handle', type: 'varchar', length: 86, nullable: true })
  userHandle!: string | null;

  /** Since when the next login must be an enrollment. `null` = it need not be. */
  @Column({ name: 'must_enroll_since', type: 'bigint', nullable: true, transformer })
  mustEnrollSince!: number | null;

  /** Hash of the live recovery code; never the code itself. `null` = none. */
  @Column({ name: 'recovery_hash', type: 'varchar', length: 128, nullable: true })
  recoveryHash!: string | null;

  @Column({ name: 'recovery_expires_at', type: 'bigint', nullable: true, transformer })
  recoveryExpiresAt!: number | null;

  @Column({ name: 'recovery_code_failures', type: 'int', default: 0 })
  recoveryCodeFailures!: number;

  @Column({ name: 'recovery_code_locked_until', type: 'bigint', default: 0, transformer })
  recoveryCodeLockedUntil!: number;

  @Column({ name: 'recovery_code_daily_tat', type: 'bigint', default: 0, transformer })
  recoveryCodeDailyTat!: number;

  /** The greatest `*_locked_until`, for the lists of administrators. */
  @Column({ name: 'locked_until', type: 'bigint', default: 0, transformer })
  lockedUntil!: number;

  /** The greatest `*_failures`, where that is more than one; else 0. For the lists of administrators. */
  @Column({ name: 'most_failures', type: 'int', default: 0 })
  mostFailures!: number;

  /** The number of unspent backup codes, for the lists of administrators. `null` = MFA is off. */
  @Column({ name: 'backup_codes_left', type: 'int', nullable: true })
  backupCodesLeft!: number | null;

  /** The user id from which an unfinished move copies this account. `null` = none. */
  @Column({ name: 'moved_from', type: 'varchar', length: 255, nullable: true })
  movedFrom!: string | null;

  /** The event of the last change as JSON, until it is copied to `mfa_audit`. `null` = copied, or the option `audit` is off. */
  @Column({ name: 'last_change', type: 'text', nullable: true })
  lastChange!: string | null;

  /** The id of that event in `mfa_audit`. The cleanup finds by it what was not copied. */
  @Column({ name: 'last_change_id', type: 'varchar', length: 36, nullable: true })
  lastChangeId!: string | null;
}
