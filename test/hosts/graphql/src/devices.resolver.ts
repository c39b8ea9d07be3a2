import { UseFilters, type ExecutionContext } from '@nestjs/common';
import { Args, Mutation, Query, Resolver } from '@nestjs/graphql';
import { CurrentPrincipal, MfaContext, MfaDeviceService, MfaExceptionFilter, type MfaPrincipal } from 'nestjs-mfa';
import { Device } from './types.js';

/** The browsers that the signed-in user trusts. */
@UseFilters(MfaExceptionFilter)
@Resolver()
export class DevicesResolver {
  constructor(private readonly trusted: MfaDeviceService) {}

  @Query(() => [Device])
  devices(@CurrentPrincipal() principal: MfaPrincipal, @MfaContext() context: ExecutionContext) {
    return this.trusted.list(principal, context);
  }

  @Mutation(() => Boolean)
  async revokeDevice(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Args('id') id: string,
    @MfaContext() context: ExecutionContext,
  ) {
    await this.trusted.revoke(principal, id, context);
    return true;
  }
}
