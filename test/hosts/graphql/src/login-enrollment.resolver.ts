import { UseFilters, type ExecutionContext } from '@nestjs/common';
import { Args, Mutation, Query, Resolver } from '@nestjs/graphql';
import { MfaChallengeService, MfaContext, MfaEnrollmentService, MfaExceptionFilter } from 'nestjs-mfa';
import { EnrolledLogin, LoginResult, SetupResult } from './types.js';

/** A login that must enroll a factor first. The caller is the `mfa_token` of the login, because there is no session yet. */
@UseFilters(MfaExceptionFilter)
@Resolver()
export class LoginEnrollmentResolver {
  constructor(
    private readonly challenges: MfaChallengeService,
    private readonly enrollment: MfaEnrollmentService,
  ) {}

  /** The result of the login again, after a reload. */
  @Query(() => LoginResult)
  openLogin(@Args('mfaToken') mfaToken: string, @MfaContext() context: ExecutionContext) {
    return this.challenges.describe(mfaToken, context);
  }

  @Mutation(() => SetupResult)
  setupInLogin(
    @Args('mfaToken') mfaToken: string,
    @Args('recoveryCode', { nullable: true }) recoveryCode: string,
    @MfaContext() context: ExecutionContext,
  ) {
    const proof = recoveryCode ? { code: recoveryCode, method: 'recovery_code' } : {};
    return this.enrollment.setup({ mfa_token: mfaToken }, proof, context);
  }

  @Mutation(() => EnrolledLogin)
  confirmInLogin(
    @Args('mfaToken') mfaToken: string,
    @Args('code') code: string,
    @MfaContext() context: ExecutionContext,
  ) {
    return this.enrollment.confirm({ mfa_token: mfaToken }, code, context); // `login` is what completeLogin returns
  }

  @Mutation(() => Boolean)
  async cancelInLogin(@Args('mfaToken') mfaToken: string, @MfaContext() context: ExecutionContext) {
    await this.enrollment.cancelSetup({ mfa_token: mfaToken }, context);
    return true;
  }
}
