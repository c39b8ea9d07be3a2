import { Injectable, UnauthorizedException } from '@nestjs/common';
import { MfaChallengeService, type MfaChallengeResult, type MfaDeviceExchange } from 'nestjs-mfa';
import type { RegisterDto } from './credentials.dto.js';
import { SessionsService, type SecondFactor } from './sessions.service.js';
import type { UserSession } from './user-session.entity.js';
import type { User } from './user.entity.js';
import { UsersService } from './users.service.js';

export type LoginResult = { accessToken: string } | Extract<MfaChallengeResult, { mfaRequired: true }>;

const WRONG = 'E-mail address or password is wrong';

/** Who may sign in, and how: the service that an application has before it takes in a second factor. */
@Injectable()
export class AuthService {
  constructor(
    private readonly users: UsersService,
    private readonly sessions: SessionsService,
    private readonly challenges: MfaChallengeService,
  ) {}

  /** Makes the account and signs it in. */
  async register({ role = 'member', ...credentials }: RegisterDto, device: MfaDeviceExchange): Promise<LoginResult> {
    return this.signIn(await this.users.create({ ...credentials, role }), device);
  }

  /** A session for a user without a second step or in a trusted browser, else the second step. */
  async login(email: string, password: string, device: MfaDeviceExchange): Promise<LoginResult> {
    const user = await this.users.findByPassword(email, password);
    if (!user) throw new UnauthorizedException(WRONG);
    return this.signIn(user, device);
  }

  /** The end of every first factor: the library decides what comes before the session. */
  private async signIn({ id, email, passwordHash }: User, device: MfaDeviceExchange): Promise<LoginResult> {
    const result = await this.challenges.issue(id, {
      amr: ['pwd'],
      accountName: email,
      // With another password, no browser is trusted any more.
      credentialVersion: passwordHash,
      device,
    });
    if (result.mfaRequired) return result;
    const accessToken = await this.completeLogin(id, result.login);
    if (accessToken === null) throw new UnauthorizedException(WRONG);
    return { accessToken };
  }

  /** Opens the session of a login. `null` = the account was deleted since the password was right. */
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
