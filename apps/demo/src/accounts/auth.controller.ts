import { Body, Controller, Get, Header, HttpCode, Post, Req, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiCookieAuth, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AuthService, type LoginResult } from './auth.service.js';
import { LoginDto, RegisterDto } from './credentials.dto.js';
import { JsonOnlyGuard } from './json-only.guard.js';
import { SessionCookie, type CookieRequest } from './session-cookie.js';
import { CurrentSession, SessionGuard } from './session.guard.js';
import { SessionToken } from './session-token.js';
import { UserSession } from './user-session.entity.js';

@ApiTags('auth')
@Controller('auth')
@UseGuards(JsonOnlyGuard)
export class AuthController {
  constructor(
    private readonly auth: AuthService,
    private readonly cookie: SessionCookie,
  ) {}

  @ApiOperation({ summary: 'Make an account and sign in' })
  @ApiOkResponse({ description: '`{ accessToken }`, and the session cookie' })
  @Post('register')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async register(
    @Body() { email, password }: RegisterDto,
    @Req() request: CookieRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<LoginResult> {
    const accessToken = await this.auth.register(email, password);
    this.cookie.set(request, response, accessToken);
    return { accessToken };
  }

  @ApiOperation({ summary: 'First step of signing in' })
  @ApiOkResponse({
    description: '`{ accessToken }` and the cookie, or `{ mfaRequired, mfa_token, methods, expiresIn }`',
  })
  @Post('login')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  async login(
    @Body() { email, password }: LoginDto,
    @Req() request: CookieRequest,
    @Res({ passthrough: true }) response: unknown,
  ): Promise<LoginResult> {
    const result = await this.auth.login(email, password);
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
      amr,
      authenticatedAt: new Date(authenticatedAtMs).toISOString(),
      mfaAt: mfaAtMs === null ? null : new Date(mfaAtMs).toISOString(),
    };
  }
}
