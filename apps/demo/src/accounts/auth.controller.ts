import { Body, Controller, Get, Header, HttpCode, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiCookieAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { MfaCookieResponse } from 'nestjs-mfa';
import { AuthService, type LoginResult } from './auth.service.js';
import { LoginDto, RegisterDto } from './credentials.dto.js';
import { JsonOnlyGuard } from './json-only.guard.js';
import { SessionCookie, type CookieRequest } from './session-cookie.js';
import { CurrentSession, SessionGuard } from './session.guard.js';
import { SessionToken } from './session-token.js';
import { UserSession } from './user-session.entity.js';

const SIGN_IN =
  '`{ accessToken }` and the session cookie. Where a second step is required: `{ mfaRequired, mfa_token, methods, expiresIn }`. ' +
  'Where a factor must be set up before the session: the same with `enrollmentRequired: true` and `enrollmentMethods`';

@ApiTags('auth')
@Controller('auth')
@UseGuards(JsonOnlyGuard)
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly cookie: SessionCookie,
  ) {}

  @ApiOperation({ summary: 'Make an account and sign in' })
  @ApiOkResponse({ description: SIGN_IN })
  @Post('register')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async register(
    @Body() registration: RegisterDto,
    @Req() request: CookieRequest,
    @Res({ passthrough: true }) response: MfaCookieResponse,
  ): Promise<LoginResult> {
    return this.withCookie(await this.auth.register(registration, { request, response }), request, response);
  }

  @ApiOperation({ summary: 'First step of signing in' })
  @ApiOkResponse({ description: SIGN_IN })
  @Post('login')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async login(
    @Body() { email, password }: LoginDto,
    @Req() request: CookieRequest,
    @Res({ passthrough: true }) response: MfaCookieResponse,
  ): Promise<LoginResult> {
    return this.withCookie(await this.auth.login(email, password, { request, response }), request, response);
  }

  private withCookie(result: LoginResult, request: CookieRequest, response: unknown): LoginResult {
    if ('accessToken' in result) this.cookie.set(request, response, result.accessToken);
    return result;
  }

  @ApiOperation({ summary: 'End the session, if there is one' })
  @Post('logout')
  @HttpCode(200)
  async logout(
    @SessionToken() token: string | undefined,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<{ signedOut: true }> {
    await this.auth.logout(token);
    this.cookie.clear(response);
    return { signedOut: true };
  }

  @ApiOperation({ summary: 'Who is signed in, and how' })
  @ApiBearerAuth()
  @ApiCookieAuth()
  @Get('me')
  @Header('Cache-Control', 'no-store')
  @UseGuards(SessionGuard)
  me(@CurrentSession() { user, amr, mfaAtMs, authenticatedAtMs }: UserSession) {
    return {
      id: user.id,
      email: user.email,
      role: user.role,
      amr,
      authenticatedAt: new Date(authenticatedAtMs).toISOString(),
      mfaAt: mfaAtMs === null ? null : new Date(mfaAtMs).toISOString(),
    };
  }
}
