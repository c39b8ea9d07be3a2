import { randomBytes } from 'node:crypto';
import {
  Body,
  Controller,
  Get,
  HttpCode,
  Injectable,
  Module,
  Post,
  UnauthorizedException,
  type ExecutionContext,
} from '@nestjs/common';
import { MfaChallengeService, MfaHost, RequireMfa, type MfaLogin, type MfaPrincipal, type MfaStepUp } from 'nestjs-mfa';

/** What a small application has before it takes in a second factor; users and sessions in memory. */
interface Session {
  userId: number;
  amr?: string[];
  mfaAt?: Date | null;
}

@Injectable()
export class AuthService {
  private readonly users = [{ id: 7, email: 'ada@acme.example', password: 'correct horse' }];
  private readonly sessions = new Map<string, Session>();

  constructor(private readonly challenges: MfaChallengeService) {}

  async login(email: string, password: string) {
    const user = this.users.find((known) => known.email === email && known.password === password);
    if (!user) throw new UnauthorizedException();
    const challenge = await this.challenges.issue(user.id);
    return challenge.mfaRequired ? challenge : { accessToken: this.open({ userId: user.id }) };
  }

  open(session: Session): string {
    const token = randomBytes(16).toString('hex');
    this.sessions.set(token, session);
    return token;
  }

  find(context: ExecutionContext): Session | undefined {
    const { headers } = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    return this.sessions.get(headers.authorization?.replace('Bearer ', '') ?? '');
  }

  user(id: number) {
    return this.users.find((known) => known.id === id)!;
  }
}

/** The natural circle: it needs the login, and the login needs the challenge service. */
@Injectable()
export class AcmeMfaHost extends MfaHost {
  constructor(private readonly auth: AuthService) {
    super();
  }

  principal(context: ExecutionContext): MfaPrincipal | null {
    const session = this.auth.find(context);
    return session ? { ...session, accountName: this.auth.user(session.userId).email } : null;
  }

  completeLogin({ userId, amr, mfaAt }: MfaLogin) {
    return { accessToken: this.auth.open({ userId: Number(userId), amr, mfaAt }) };
  }

  override completeStepUp({ amr, mfaAt }: MfaStepUp, context: ExecutionContext) {
    Object.assign(this.auth.find(context)!, { amr, mfaAt });
  }

  override verifyPassword({ userId }: MfaPrincipal, password: string) {
    return this.auth.user(Number(userId)).password === password;
  }
}

@Controller('auth')
export class AuthController {
  constructor(private readonly auth: AuthService) {}

  @Post('login')
  @HttpCode(200)
  login(@Body() { email, password }: { email: string; password: string }) {
    return this.auth.login(email, password);
  }
}

@Controller('payouts')
export class PayoutsController {
  @Get()
  @RequireMfa()
  list() {
    return ['payout'];
  }
}

@Module({ providers: [AuthService], controllers: [AuthController, PayoutsController], exports: [AuthService] })
export class AuthModule {}
