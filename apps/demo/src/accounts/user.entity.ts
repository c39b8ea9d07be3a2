import { Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { epochMs } from './epoch-ms.js';
import type { Role } from './role.js';

@Entity({ name: 'users' })
export class User {
  @PrimaryColumn({ name: 'id', type: 'varchar', length: 36, primaryKeyConstraintName: 'pk_users' })
  id!: string;

  /** Trimmed and lower-case. */
  @Index('uq_users_email', { unique: true })
  @Column({ name: 'email', type: 'varchar', length: 254 })
  email!: string;

  /** Argon2id, in its own encoded form with salt and parameters. */
  @Column({ name: 'password_hash', type: 'varchar', length: 255 })
  passwordHash!: string;

  /** Chosen at the registration, but for administrators. */
  @Column({ name: 'role', type: 'varchar', length: 16, default: 'member' })
  role!: Role;

  @Column({ name: 'created_at_ms', type: 'bigint', transformer: epochMs })
  createdAtMs!: number;
}
