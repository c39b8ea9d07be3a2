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

  /** A session for whoever needs no second step, else the challenge that stands for the right password. */
  async login(email: string, password: string): Promise<LoginResult> {
    const user = await this.users.findByPassword(email, password);
    if (!user) throw new UnauthorizedException('E-mail address or password is wrong');
    const challenge = await this.challenges.issue(user.id);
    return challenge.mfaRequired ? challenge : { accessToken: await this.sessions.open(user.id) };
  }

  /** The end of a login in two steps. */
  completeLogin(userId: string, secondFactor: SecondFactor): Promise<string> {
    return this.sessions.open(userId, secondFactor);
  }

  async logout(token: string | undefined): Promise<void> {
    if (token !== undefined) await this.sessions.close(token);
  }

  /** The session of this token, or `null` when there is none. */
  async authenticate(token: string | undefined): Promise<UserSession | null> {
    return token === undefined ? null : this.sessions.find(token);
  }
}
