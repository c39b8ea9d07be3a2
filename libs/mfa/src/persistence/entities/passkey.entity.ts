import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { booleanColumn } from './boolean-column.js';
import { integerColumn as transformer } from './integer-column.js';

/** Table `mfa_passkey`: the public parts of passkeys and security keys. Times are epoch milliseconds. */
@Entity({ name: 'mfa_passkey' })
@Index(['credentialHash'], { unique: true })
@Index(['userId'])
@Index(['expiresAt'])
export class MfaPasskeyEntity {
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36 })
  id!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  /** The credential id in base64url: at most 1023 bytes (WebAuthn §4). */
  @Column({ name: 'credential_id', type: 'varchar', length: 1364 })
  credentialId!: string;

  /** SHA-256 (hex) of the bytes of the credential id. Unique over all users. */
  @Column({ name: 'credential_hash', type: 'varchar', length: 64 })
  credentialHash!: string;

  /** The COSE key in base64url (RFC 9052 §7). */
  @Column({ name: 'public_key', type: 'text' })
  publicKey!: string;

  /** The signature counter, an unsigned 32-bit integer (WebAuthn §6.1.1). */
  @Column({ name: 'counter', type: 'bigint', transformer })
  counter!: number;

  /** How the client reaches the authenticator, separated by commas. Empty means that it did not say. */
  @Column({ name: 'transports', type: 'varchar', length: 255 })
  transports!: string;

  /** Whether the credential can be synced between devices (flag BE, WebAuthn §6.1.3). */
  @Column({ name: 'backup_eligible', type: 'int', transformer: booleanColumn })
  backupEligible!: boolean;

  /** Whether the credential was synced at its last use (flag BS). */
  @Column({ name: 'backed_up', type: 'int', transformer: booleanColumn })
  backedUp!: boolean;

  /** Whether the authenticator has verified the user at least once (flag UV). */
  @Column({ name: 'user_verified', type: 'int', transformer: booleanColumn })
  userVerified!: boolean;

  /** The model of the authenticator, as a UUID. All zeros if the authenticator does not reveal it. */
  @Column({ name: 'aaguid', type: 'varchar', length: 36 })
  aaguid!: string;

  @Column({ name: 'name', type: 'varchar', length: 64 })
  name!: string;

  @Column({ name: 'created_at', type: 'bigint', transformer })
  createdAt!: number;

  @Column({ name: 'last_used_at', type: 'bigint', nullable: true, transformer })
  lastUsedAt!: number | null;

  /** When the row may be collected unless the account names it; `null` = not at all. */
  @Column({ name: 'expires_at', type: 'bigint', nullable: true, transformer })
  expiresAt!: number | null;
}
