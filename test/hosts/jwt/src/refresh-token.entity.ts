import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One sign-in. Every token of it carries `sid`, and only the refresh token with the newest `uses` works. */
@Entity('refresh_token')
export class RefreshToken {
  @PrimaryColumn('varchar', { length: 36 })
  sid!: string;

  @Column('varchar', { length: 36 })
  userId!: string;

  @Column('int')
  uses!: number;

  /** How the user signed in (RFC 8176). */
  @Column('simple-array')
  amr!: string[];

  /** When the user passed the second factor, in ISO 8601; `null` = never. */
  @Column('varchar', { length: 24, nullable: true })
  mfaAt!: string | null;

  /** When the sign-in ends, in epoch milliseconds. A refresh does not move it. */
  @Column('bigint')
  expiresAt!: number;
}
