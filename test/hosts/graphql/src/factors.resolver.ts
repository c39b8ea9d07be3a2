import { UseFilters, type ExecutionContext } from '@nestjs/common';
import { Args, Mutation, Resolver } from '@nestjs/graphql';
import {
  CurrentPrincipal,
  MfaContext,
  MfaEnrollmentService,
  MfaExceptionFilter,
  MfaVerificationService,
  type MfaPrincipal,
} from 'nestjs-mfa';
import { Sessions } from './sessions.js';
import { ConfirmResult, SetupResult } from './types.js';

/** The factors of the signed-in user, in place of the built-in routes. */
@UseFilters(MfaExceptionFilter)
@Resolver()
export class FactorsResolver {
  constructor(
    private readonly sessions: Sessions,
    private readonly enrollment: MfaEnrollmentService,
    private readonly verification: MfaVerificationService,
  ) {}

  @Mutation(() => SetupResult)
  setup(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Args('password') password: string,
    @MfaContext() context: ExecutionContext,
  ) {
    return this.enrollment.setup(principal, { password }, context);
  }

  @Mutation(() => ConfirmResult)
  async confirm(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Args('code') code: string,
    @MfaContext() context: ExecutionContext,
  ) {
    const { stepUp, ...result } = await this.enrollment.confirm(principal, code, context);
    this.sessions.raise(stepUp, context);
    return result;
  }

  @Mutation(() => Boolean)
  async stepUp(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Args('code') code: string,
    @MfaContext() context: ExecutionContext,
  ) {
    this.sessions.raise(await this.verification.stepUp(principal, { code }, context), context);
    return true;
  }

  @Mutation(() => ConfirmResult)
  disable(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Args('code') code: string,
    @MfaContext() context: ExecutionContext,
  ) {
    return this.enrollment.disable(principal, { code }, context);
  }
}
