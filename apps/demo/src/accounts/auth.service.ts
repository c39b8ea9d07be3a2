import { Injectable, UnauthorizedException } from '@nestjs/common';
import { MfaChallengeService, type MfaChallengeResult } from 'nestjs-mfa';
import { SessionsService, type SecondFactor } from './sessions.service.js';
import type { UserSession } from './user-session.entity.js';
import { UsersService } from './users.service.js';

export type LoginResult = { accessToken: string } | Extract<MfaChallengeResult, { mfaRequired: true }>;

/** Who may sign in, and how: the service that an application has before it takes in a second factor. */
@Injectable()
export class AuthService {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly challenges: MfaChallengeService,
  ) {}

  /** Makes the account and signs it in. */
  async register(email: string, password: string): Promise<string> {
    const user = await this.users.create(email, password);
    return this.sessions.open(user.id);
  }

  /** A session for a user without a second step, else the challenge of a right password. */
  async login(email: string, password: string): Promise<LoginResult> {
    const user = await this.users.findByPassword(email, password);
    if (!user) throw new UnauthorizedException('E-mail address or password is wrong');
    const result = await this.challenges.issue(user.id, { amr: ['pwd'] });
    return result.mfaRequired ? result : { accessToken: await this.sessions.open(user.id, result.login) };
  }

  /** The end of a login in two steps. `null` = the account was deleted since the password was right. */
  async completeLogin(userId: string, secondFactor: SecondFactor): Promise<string | null> {
    if (!(await this.users.exists(userId))) return null;
    try {
      return await this.sessions.open(userId, secondFactor);
    } catch (error) {
      // The foreign key decides where the account is deleted at this moment.
      if (await this.users.exists(userId)) throw error;
      return null;
    }
  }

  async logout(token: string | undefined): Promise<void> {
    if (token !== undefined) await this.sessions.close(token);
  }

  /** The session of this token, or `null` when there is none. */
  async authenticate(token: string | undefined): Promise<UserSession | null> {
    return token === undefined ? null : this.sessions.find(token);
  }
}
