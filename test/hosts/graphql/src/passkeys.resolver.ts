import { UseFilters, type ExecutionContext } from '@nestjs/common';
import { Args, Field, Mutation, ObjectType, Resolver, Scalar, type CustomScalar } from '@nestjs/graphql';
import {
  CurrentPrincipal,
  MfaContext,
  MfaExceptionFilter,
  MfaPasskeyService,
  MfaVerificationService,
  type MfaPasskeyAssertion,
  type MfaPasskeyRegistration,
  type MfaPrincipal,
} from 'nestjs-mfa';
import { Sessions } from './sessions.js';
import { ConfirmResult, LoginResult } from './types.js';

/** Options and responses of browsers, as they are. It is a provider of the module. */
@Scalar('JSON')
export class Json implements CustomScalar<unknown, unknown> {
  serialize = (value: unknown) => value;
  parseValue = (value: unknown) => value;
  parseLiteral(): never {
    throw new Error('Pass JSON as a variable');
  }
}

@ObjectType()
class PasskeyOptions {
  @Field(() => Json)
  options!: object;
}

@UseFilters(MfaExceptionFilter)
@Resolver()
export class PasskeysResolver {
  constructor(
    private readonly sessions: Sessions,
    private readonly passkeys: MfaPasskeyService,
    private readonly verification: MfaVerificationService,
  ) {}

  @Mutation(() => PasskeyOptions)
  setupPasskey(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Args('password') password: string,
    @MfaContext() context: ExecutionContext,
  ) {
    return this.passkeys.setup(principal, { password }, context);
  }

  @Mutation(() => ConfirmResult)
  async confirmPasskey(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Args('passkey', { type: () => Json }) passkey: MfaPasskeyRegistration,
    @MfaContext() context: ExecutionContext,
  ) {
    const { stepUp, ...result } = await this.passkeys.confirm(principal, { passkey }, context);
    this.sessions.raise(stepUp, context);
    return result;
  }

  /** `caller` of a login is its `mfa_token`; of a step-up or a change it is the principal. */
  @Mutation(() => PasskeyOptions)
  passkeyOptions(@Args('mfaToken') mfaToken: string, @MfaContext() context: ExecutionContext) {
    return this.passkeys.options(mfaToken, {}, context);
  }

  @Mutation(() => LoginResult)
  verifyPasskey(
    @Args('mfaToken') mfaToken: string,
    @Args('passkey', { type: () => Json }) passkey: MfaPasskeyAssertion,
    @MfaContext() context: ExecutionContext,
  ) {
    return this.verification.login(mfaToken, { passkey }, context);
  }
}
