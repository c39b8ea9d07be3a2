import { Body, Controller, Get, Header, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { MfaChallengeService, type MfaCookieResponse } from 'nestjs-mfa';
import { FirstFactors, type User } from './accounts.js';
import { Sessions, type SessionRequest } from './sessions.js';

/** Logins whose next page the server names. The token of the second step, and of an enrollment, is a cookie. */
@Controller('auth')
export class RedirectLoginController {
  constructor(
    private readonly firstFactors: FirstFactors,
    private readonly sessions: Sessions,
    private readonly challenges: MfaChallengeService,
  ) {}

  /** Without `@Redirect()`: on Nest 11 with Fastify, it sends twice while @fastify/session stores the session. */
  @Get('oauth/callback')
  @HttpCode(302)
  @Header('Cache-Control', 'no-store')
  async callback(
    @Query('code') code: string,
    @Req() request: SessionRequest,
    @Res({ passthrough: true }) response: MfaCookieResponse,
  ) {
    response.header!('location', await this.next(this.firstFactors.spend(code), ['fed'], { request, response }));
  }

  @Post('magic-link')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async magicLink(
    @Body() { token }: { token: string },
    @Req() request: SessionRequest,
    @Res({ passthrough: true }) response: MfaCookieResponse,
  ) {
    return { next: await this.next(this.firstFactors.spend(token), ['email'], { request, response }) };
  }

  /** Where the browser goes now. */
  private async next(
    { id, email, passwordChangedAt }: User,
    amr: string[],
    device: { request: SessionRequest; response: MfaCookieResponse },
  ): Promise<string> {
    const result = await this.challenges.issue(id, {
      amr,
      accountName: email,
      cookie: device.response,
      credentialVersion: passwordChangedAt,
      device,
    });
    if (result.mfaRequired) return '/login/second-step';
    await this.sessions.open(device.request, result.login);
    return '/';
  }
}
