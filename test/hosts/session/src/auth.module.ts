import { Body, Controller, Get, HttpCode, Module, Post, Req, Res, UnauthorizedException } from '@nestjs/common';
import type { Request, Response } from 'express';
import { MfaChallengeService, RequireMfa } from 'nestjs-mfa';
import { AccountsModule, Users } from './accounts.js';
import { newSession, openSession } from './sessions.js';

interface Credentials {
  email: string;
  password: string;
}

@Controller('auth')
export class AuthController {
  constructor(
    private readonly users: Users,
    private readonly challenges: MfaChallengeService,
  ) {}

  @Post('register')
  register(@Body() { email, password }: Credentials) {
    this.users.register(email, password);
    return {};
  }

  /** The challenge stands in a cookie too, for a page that is reloaded. */
  @Post('login')
  @HttpCode(200)
  async login(
    @Body() { email, password }: Credentials,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ) {
    const user = this.users.signIn(email, password);
    const state = { returnTo: '/payouts' };
    const result = await this.challenges.issue(user.id, { amr: ['pwd'], state, cookie: response });
    if (result.mfaRequired) return result;
    await openSession(request, newSession(result.login));
    return result.login.state;
  }

  @Post('refresh')
  @HttpCode(200)
  async refresh(@Req() request: Request) {
    const { sid, userId, amr, mfaAt } = request.session;
    if (!sid || !userId || !amr || mfaAt === undefined) throw new UnauthorizedException();
    await openSession(request, { sid, userId, amr, mfaAt });
    return {};
  }

  @Get('me')
  me(@Req() { session: { userId, amr, mfaAt } }: Request) {
    if (!userId) throw new UnauthorizedException();
    return { amr, mfaAt };
  }
}

@RequireMfa()
@Controller('payouts')
export class PayoutsController {
  @Get()
  list() {
    return [];
  }

  @RequireMfa({ maxAgeSeconds: 300 })
  @Post()
  transfer() {
    return {};
  }
}

@Module({ imports: [AccountsModule], controllers: [AuthController, PayoutsController], exports: [AccountsModule] })
export class AuthModule {}
