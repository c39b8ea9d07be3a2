import { Body, Controller, Get, Header, HttpCode, Post, Req } from '@nestjs/common';
import { MfaChallengeService } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { Public } from './public.js';
import { Tokens, type AccessClaims } from './tokens.js';

interface Credentials {
  email: string;
  password: string;
  /** Of an app that the user trusts. */
  deviceToken?: string;
}

@Controller('auth')
export class AuthController {
  constructor(
    private readonly users: Users,
    private readonly tokens: Tokens,
    private readonly challenges: MfaChallengeService,
  ) {}

  @Public()
  @Post('register')
  register(@Body() { email, password }: Credentials) {
    this.users.register(email, password);
    return {};
  }

  // #region login
  @Public()
  @Post('login')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async login(@Body() { email, password, deviceToken }: Credentials) {
    const user = await this.users.signIn(email, password);
    const result = await this.challenges.issue(user.id, {
      amr: ['pwd'],
      accountName: user.email,
      credentialVersion: user.passwordChangedAt,
      deviceToken,
    });
    return result.mfaRequired ? result : this.tokens.open(result.login);
  }

  @Public()
  @Post('refresh')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  refresh(@Body() { refreshToken }: { refreshToken: string }) {
    return this.tokens.refresh(refreshToken);
  }
  // #endregion

  @Get('me')
  me(@Req() { user: { amr, mfaAt } }: { user: AccessClaims }) {
    return { amr, mfaAt };
  }
}
