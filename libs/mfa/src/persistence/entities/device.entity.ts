import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { integerColumn as transformer } from './integer-column.js';

/**
 * Table `mfa_device`: the browsers and apps that users trust. It holds hashes only, so a copy of it trusts no device.
 * Times are epoch milliseconds.
 */
// S110
@Entity({ name: 'mfa_device' })
@Index(['userId', 'lookupHash'], { unique: true })
@Index(['expiresAt'])
export class MfaDeviceEntity {
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36 })
  id!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  /** `cookie` or `token`. */
  @Column({ name: 'kind', type: 'varchar', length: 8 })
  kind!: string;

  /** SHA-256 (hex) of the lookup id. */
  @Column({ name: 'lookup_hash', type: 'varchar', length: 64 })
  lookupHash!: string;

  /** SHA-256 (hex) of the current secret. */
  @Column({ name: 'secret_hash', type: 'varchar', length: 64 })
  secretHash!: string;

  /** SHA-256 (hex) of the secret before it; `null` = the secret was not rotated yet. */
  @Column({ name: 'previous_hash', type: 'varchar', length: 64, nullable: true })
  previousHash!: string | null;

  @Column({ name: 'rotated_at', type: 'bigint', nullable: true, transformer })
  rotatedAt!: number | null;

  /** The key of the ring under which the next secret and the credential version are computed. */
  @Column({ name: 'key_id', type: 'varchar', length: 32 })
  keyId!: string;

  /** The security stamp of the account when the device was trusted. */
  @Column({ name: 'security_stamp', type: 'bigint', transformer })
  securityStamp!: number;

  /** Keyed MAC of the version of the user's password. */
  @Column({ name: 'credential_version', type: 'varchar', length: 64 })
  credentialVersion!: string;

  /** The method of the proof by which the device was trusted. */
  @Column({ name: 'method', type: 'varchar', length: 16 })
  method!: string;

  /** For the owner's list, such as the user agent. */
  @Column({ name: 'label', type: 'varchar', length: 255 })
  label!: string;

  @Column({ name: 'created_at', type: 'bigint', transformer })
  createdAt!: number;

  @Column({ name: 'last_used_at', type: 'bigint', transformer })
  lastUsedAt!: number;

  @Column({ name: 'expires_at', type: 'bigint', transformer })
  expiresAt!: number;

  /** When the proof was given by which the device was trusted. */
  @Column({ name: 'mfa_at', type: 'bigint', transformer })
  mfaAt!: number;
}
