import { UnauthorizedException, UseFilters, type ExecutionContext } from '@nestjs/common';
import { Args, GqlExecutionContext, Mutation, Query, Resolver } from '@nestjs/graphql';
import {
  MfaChallengeService,
  MfaContext,
  MfaExceptionFilter,
  MfaVerificationService,
  RequireMfa,
  type MfaCookieResponse,
} from 'nestjs-mfa';
import { FirstFactors, Users, type User } from './accounts.js';
import { Sessions, type Session } from './sessions.js';
import { LoginResult, Me } from './types.js';

/** What Apollo puts into the context. Express links the response to its request. */
interface ExpressRequest {
  headers: object;
  res: MfaCookieResponse;
}

@UseFilters(MfaExceptionFilter)
@Resolver()
export class AuthResolver {
  constructor(
    private readonly users: Users,
    private readonly firstFactors: FirstFactors,
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
  login(
    @Args('email') email: string,
    @Args('password') password: string,
    @MfaContext() context: ExecutionContext,
  ): Promise<LoginResult> {
    return this.next(this.users.signIn(email, password), ['pwd'], context);
  }

  /** Every login path ends here. */
  private async next(user: User, amr: string[], context: ExecutionContext): Promise<LoginResult> {
    const { req: request } = GqlExecutionContext.create(context).getContext<{ req: ExpressRequest }>();
    const { email: accountName, passwordChangedAt: credentialVersion } = user;
    const first = { amr, accountName, credentialVersion, device: { request, response: request.res } };
    const result = await this.challenges.issue(user.id, first, context);
    if (result.mfaRequired) return result;
    const { enrollmentDueAt } = result.login;
    return { token: this.sessions.open(result.login), enrollmentDueAt };
  }

  @Mutation(() => LoginResult)
  verify(
    @Args('mfaToken') mfaToken: string,
    @Args('code') code: string,
    @Args('method', { nullable: true }) method: string,
    @Args('rememberDevice', { nullable: true }) rememberDevice: boolean,
    @MfaContext() context: ExecutionContext,
  ) {
    return this.verification.login(mfaToken, { code, method, rememberDevice }, context); // what completeLogin returns
  }
  // #endregion

  /** The client received the code of the provider. */
  @Mutation(() => LoginResult)
  loginByProvider(@Args('code') code: string, @MfaContext() context: ExecutionContext) {
    return this.next(this.firstFactors.spend(code), ['fed'], context);
  }

  @Mutation(() => LoginResult)
  loginByLink(@Args('token') token: string, @MfaContext() context: ExecutionContext) {
    return this.next(this.firstFactors.spend(token), ['email'], context);
  }

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
