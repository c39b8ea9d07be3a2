import { UnauthorizedException, UseFilters, type ExecutionContext } from '@nestjs/common';
import { Args, Mutation, Query, Resolver } from '@nestjs/graphql';
import { MfaChallengeService, MfaContext, MfaExceptionFilter, MfaVerificationService, RequireMfa } from 'nestjs-mfa';
import { Users } from './accounts.js';
import { Sessions, type Session } from './sessions.js';
import { LoginResult, Me } from './types.js';

@UseFilters(MfaExceptionFilter)
@Resolver()
export class AuthResolver {
  constructor(
    private readonly users: Users,
    private readonly sessions: Sessions,
    private readonly challenges: MfaChallengeService,
    private readonly verification: MfaVerificationService,
  ) {}

  @Mutation(() => Boolean)
  register(@Args('email') email: string, @Args('password') password: string): boolean {
    this.users.register(email, password);
    return true;
  }

  // #region login
  @Mutation(() => LoginResult)
  async login(
    @Args('email') email: string,
    @Args('password') password: string,
    @MfaContext() context: ExecutionContext,
  ): Promise<LoginResult> {
    const user = this.users.signIn(email, password);
    const result = await this.challenges.issue(user.id, { amr: ['pwd'] }, context);
    return result.mfaRequired ? result : { token: this.sessions.open(result.login) };
  }

  @Mutation(() => LoginResult)
  verify(@Args('mfaToken') mfaToken: string, @Args('code') code: string, @MfaContext() context: ExecutionContext) {
    return this.verification.login(mfaToken, { code }, context); // what completeLogin returns
  }
  // #endregion

  @Mutation(() => LoginResult)
  refresh(@MfaContext() context: ExecutionContext): LoginResult {
    return { token: this.sessions.renew(this.signedIn(context)) };
  }

  @Query(() => Me)
  me(@MfaContext() context: ExecutionContext): Me {
    const { amr, mfaAt } = this.signedIn(context);
    return { amr, mfaAt: mfaAt?.toISOString() ?? null };
  }

  @RequireMfa()
  @Query(() => [String])
  payouts(): string[] {
    return [];
  }

  @RequireMfa({ maxAgeSeconds: 300 })
  @Mutation(() => Boolean)
  transfer(): boolean {
    return true;
  }

  private signedIn(context: ExecutionContext): Session {
    const session = this.sessions.of(context);
    if (!session) throw new UnauthorizedException();
    return session;
  }
}
