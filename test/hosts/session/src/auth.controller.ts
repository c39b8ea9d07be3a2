import { Body, Controller, Get, Header, HttpCode, Post, Req, Res, UnauthorizedException } from '@nestjs/common';
import { MfaChallengeService, type MfaCookieResponse } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { Sessions, type SessionRequest } from './sessions.js';

interface Credentials {
  email: string;
  password: string;
}

@Controller('auth')
export class AuthController {
  constructor(
    private readonly users: Users,
    private readonly sessions: Sessions,
    private readonly challenges: MfaChallengeService,
  ) {}

  @Post('register')
  register(@Body() { email, password }: Credentials) {
    this.users.register(email, password);
    return {};
  }

  // #region login
  @Post('login')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async login(
    @Body() { email, password }: Credentials,
    @Req() request: SessionRequest,
    @Res({ passthrough: true }) response: MfaCookieResponse,
  ) {
    const user = this.users.signIn(email, password);
    const state = { returnTo: '/payouts' };
    const result = await this.challenges.issue(user.id, {
      amr: ['pwd'],
      accountName: user.email,
      state,
      cookie: response,
      credentialVersion: user.passwordChangedAt,
      device: { request, response },
    });
    if (result.mfaRequired) return result;
    await this.sessions.open(request, result.login);
    return result.login.state;
  }
  // #endregion

  /** The same session under another id. */
  @Post('refresh')
  @HttpCode(200)
  async refresh(@Req() request: SessionRequest) {
    const { amr, mfaAt } = this.signedIn(request);
    await this.sessions.raise(request, { amr, mfaAt: mfaAt === null ? null : new Date(mfaAt) });
    return {};
  }

  @Get('me')
  me(@Req() request: SessionRequest) {
    const { amr, mfaAt } = this.signedIn(request);
    return { amr, mfaAt };
  }

  private signedIn(request: SessionRequest) {
    const session = this.sessions.find(request);
    if (!session) throw new UnauthorizedException();
    return session;
  }
}
