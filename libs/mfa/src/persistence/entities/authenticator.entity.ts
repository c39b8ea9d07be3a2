import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { integerColumn as transformer } from './integer-column.js';

/** Table `mfa_authenticator`: sealed TOTP secrets. Times are epoch milliseconds. */
@Entity({ name: 'mfa_authenticator' })
@Index(['userId'])
@Index(['expiresAt'])
export class MfaAuthenticatorEntity {
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36 })
  id!: string;

  @Column({ name: 'user_id', type: 'varchar', length: 255 })
  userId!: string;

  @Column({ name: 'name', type: 'varchar', length: 64 })
  name!: string;

  /** Sealed; never the secret itself. */
  @Column({ name: 'secret', type: 'text' })
  secret!: string;

  @Column({ name: 'algorithm', type: 'varchar', length: 10 })
  algorithm!: string;

  @Column({ name: 'digits', type: 'int' })
  digits!: number;

  @Column({ name: 'period_seconds', type: 'int' })
  periodSeconds!: number;

  @Column({ name: 'created_at', type: 'bigint', transformer })
  createdAt!: number;

  @Column({ name: 'confirmed_at', type: 'bigint', nullable: true, transformer })
  confirmedAt!: number | null;

  @Column({ name: 'last_used_at', type: 'bigint', nullable: true, transformer })
  lastUsedAt!: number | null;

  /** When the row may be collected unless the account names it; `null` = not at all. */
  @Column({ name: 'expires_at', type: 'bigint', nullable: true, transformer })
  expiresAt!: number | null;

  /** SHA-256 (hex) of the session that may confirm the setup; `null` = the host names no session. */
  @Column({ name: 'setup_binding', type: 'varchar', length: 64, nullable: true })
  setupBinding!: string | null;
}
