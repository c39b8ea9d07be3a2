import { Body, Controller, Header, HttpCode, Post } from '@nestjs/common';
import { MfaChallengeService } from 'nestjs-mfa';
import { FirstFactors, type User } from './accounts.js';
import { Public } from './public.js';
import { Tokens } from './tokens.js';

/** Logins without a password. The client receives the code of the provider, or opens the link, and posts what it got. */
@Public()
@Controller('auth')
export class OtherLoginsController {
  constructor(
    private readonly firstFactors: FirstFactors,
    private readonly tokens: Tokens,
    private readonly challenges: MfaChallengeService,
  ) {}

  @Post('oauth')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  oauth(@Body() { code, deviceToken }: { code: string; deviceToken?: string }) {
    return this.next(this.firstFactors.spend(code), ['fed'], deviceToken);
  }

  @Post('magic-link')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  magicLink(@Body() { token, deviceToken }: { token: string; deviceToken?: string }) {
    return this.next(this.firstFactors.spend(token), ['email'], deviceToken);
  }

  private async next({ id, email, passwordChangedAt }: User, amr: string[], deviceToken: string | undefined) {
    const result = await this.challenges.issue(id, {
      amr,
      accountName: email,
      credentialVersion: passwordChangedAt,
      deviceToken,
    });
    return result.mfaRequired ? result : this.tokens.open(result.login);
  }
}
