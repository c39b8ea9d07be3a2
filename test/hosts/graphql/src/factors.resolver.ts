import { UnauthorizedException, UseFilters, type ExecutionContext } from '@nestjs/common';
import { Args, Mutation, Resolver } from '@nestjs/graphql';
import {
  MfaEnrollmentService,
  MfaExceptionFilter,
  MfaVerificationService,
  type MfaPrincipal,
  type MfaStepUp,
} from 'nestjs-mfa';
import { Execution } from './parameters.js';
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
  setup(@Args('password') password: string, @Execution() context: ExecutionContext) {
    return this.enrollment.setup(this.principal(context), { password }, context);
  }

  @Mutation(() => ConfirmResult)
  async confirm(@Args('code') code: string, @Execution() context: ExecutionContext) {
    const { stepUp, ...result } = await this.enrollment.confirm(this.principal(context), code, context);
    this.raise(stepUp, context);
    return result;
  }

  @Mutation(() => Boolean)
  async stepUp(@Args('code') code: string, @Execution() context: ExecutionContext) {
    const { userId } = this.principal(context);
    this.raise(await this.verification.stepUp(userId, { code }, context), context);
    return true;
  }

  @Mutation(() => ConfirmResult)
  disable(@Args('code') code: string, @Execution() context: ExecutionContext) {
    return this.enrollment.disable(this.principal(context), { code }, context);
  }

  private raise({ amr, mfaAt }: MfaStepUp, context: ExecutionContext): void {
    const session = this.sessions.of(context)!;
    Object.assign(session, { amr: [...new Set([...session.amr, ...amr])], mfaAt });
  }

  private principal(context: ExecutionContext): MfaPrincipal {
    const principal = this.sessions.principal(context);
    if (!principal) throw new UnauthorizedException();
    return principal;
  }
}
