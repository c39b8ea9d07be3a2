import { createHash, randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MfaClock } from 'nestjs-mfa';
import { MoreThan, Not, Repository } from 'typeorm';
import { UserSession } from './user-session.entity.js';

export const SESSION_SECONDS = 12 * 60 * 60;

/** A second factor that this session has passed. */
export interface SecondFactor {
  amr: string[];
  /** `null` = none was passed. */
  mfaAt: Date | null;
}

/** Server-side sessions. The client's token is random; the table holds only its hash. */
@Injectable()
export class SessionsService {
  constructor(
    @InjectRepository(UserSession) private readonly sessions: Repository<UserSession>,
    private readonly clock: MfaClock,
  ) {}

  /** Opens a session whose password was just proved, and answers its token. */
  async open(userId: string, secondFactor?: SecondFactor): Promise<string> {
    const token = randomBytes(32).toString('base64url');
    const nowMs = this.clock.nowMs();
    await this.sessions.insert({
      tokenHash: hashOf(token),
      userId,
      amr: amrOf(secondFactor),
      authenticatedAtMs: nowMs,
      mfaAtMs: secondFactor?.mfaAt?.getTime() ?? null,
      expiresAtMs: nowMs + SESSION_SECONDS * 1_000,
    });
    return token;
  }

  /** The live session of this token with its user, or `null`. */
  find(token: string): Promise<UserSession | null> {
    return this.sessions.findOne({
      where: { tokenHash: hashOf(token), expiresAtMs: MoreThan(this.clock.nowMs()) },
      relations: { user: true },
    });
  }

  async recordSecondFactor(token: string, secondFactor: SecondFactor): Promise<void> {
    const { mfaAt } = secondFactor;
    await this.sessions.update(
      { tokenHash: hashOf(token) },
      { amr: amrOf(secondFactor), mfaAtMs: mfaAt?.getTime() ?? null },
    );
  }

  /** A user without authenticators has no second factor that a session could have passed. */
  async forgetSecondFactors(userId: string): Promise<void> {
    await this.sessions.update({ userId }, { amr: amrOf(), mfaAtMs: null });
  }

  async close(token: string): Promise<void> {
    await this.sessions.delete({ tokenHash: hashOf(token) });
  }

  /** Ends the user's sessions, but for the one of `keptToken`. */
  async closeOthers(userId: string, keptToken?: string): Promise<void> {
    await this.sessions.delete({ userId, ...(keptToken && { tokenHash: Not(hashOf(keptToken)) }) });
  }
}

/** The token has 256 random bits, so a plain hash cannot be guessed backwards. */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Every session starts with a password; a second factor adds its own values (RFC 8176). */
function amrOf(secondFactor?: SecondFactor): string[] {
  return [...new Set(['pwd', ...(secondFactor?.amr ?? [])])];
}
