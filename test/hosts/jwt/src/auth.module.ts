import { Body, Controller, Get, HttpCode, Module, Post, Req } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { PassportModule } from '@nestjs/passport';
import { MfaChallengeService, RequireMfa } from 'nestjs-mfa';
import { AccountsModule, Users } from './accounts.js';
import { JWT_SECRET, JwtStrategy, PlainJwtGuard } from './jwt-auth.guard.js';
import { Public } from './public.js';
import { Tokens, type AccessClaims } from './tokens.js';

interface Credentials {
  email: string;
  password: string;
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

  @Public()
  @Post('login')
  @HttpCode(200)
  async login(@Body() { email, password }: Credentials) {
    const user = this.users.signIn(email, password);
    const result = await this.challenges.issue(user.id, { amr: ['pwd'] });
    return result.mfaRequired ? result : this.tokens.open(result.login);
  }

  @Public()
  @Post('refresh')
  @HttpCode(200)
  refresh(@Body() { refreshToken }: { refreshToken: string }) {
    return this.tokens.refresh(refreshToken);
  }

  @Get('me')
  me(@Req() { user: { amr, mfaAt } }: { user: AccessClaims }) {
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

@Module({
  imports: [
    AccountsModule,
    PassportModule,
    JwtModule.register({ secret: JWT_SECRET, signOptions: { expiresIn: '5m' } }),
  ],
  providers: [Tokens, JwtStrategy, PlainJwtGuard],
  controllers: [AuthController, PayoutsController],
  exports: [AccountsModule, Tokens, PlainJwtGuard],
})
export class AuthModule {}
