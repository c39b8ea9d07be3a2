import { Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';
import { epochMs } from './epoch-ms.js';
import { User } from './user.entity.js';

/** A signed-in browser or script. Expired rows are removed by the library's cleanup. */
@Entity({ name: 'user_sessions' })
export class UserSession {
  /** SHA-256 of the token in hex; the token itself is only with the client. */
  @PrimaryColumn({ name: 'token_hash', type: 'varchar', length: 64, primaryKeyConstraintName: 'pk_user_sessions' })
  tokenHash!: string;

  @Index('ix_user_sessions_user')
  @Column({ name: 'user_id', type: 'varchar', length: 36 })
  userId!: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE', onUpdate: 'NO ACTION' })
  @JoinColumn({ name: 'user_id', referencedColumnName: 'id', foreignKeyConstraintName: 'fk_user_sessions_user' })
  user!: User;

  /** How the session was authenticated, in the words of RFC 8176. */
  @Column({ name: 'amr', type: 'simple-array' })
  amr!: string[];

  /** When the password was last proved. */
  @Column({ name: 'authenticated_at_ms', type: 'bigint', transformer: epochMs })
  authenticatedAtMs!: number;

  /** When a second factor was last proved; `null` if never. */
  @Column({ name: 'mfa_at_ms', type: 'bigint', nullable: true, transformer: epochMs })
  mfaAtMs!: number | null;

  @Index('ix_user_sessions_expiry')
  @Column({ name: 'expires_at_ms', type: 'bigint', transformer: epochMs })
  expiresAtMs!: number;
}
