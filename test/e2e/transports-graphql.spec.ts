import { Injectable, Scope, UseFilters, UseGuards } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Args, Field, GraphQLModule, Mutation, ObjectType, Query, Resolver, ResolveField } from '@nestjs/graphql';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaExceptionFilter, MfaGuard, MfaVerificationService, RequireMfa, SkipMfa } from 'nestjs-mfa';
import { AnyTransportHost } from '../support/any-transport-host.js';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';

@ObjectType()
class Account {
  @Field(() => String)
  name!: string;

  @Field(() => String, { nullable: true })
  balance?: string;
}

@Resolver()
@UseGuards(MfaGuard)
class GuardedResolver {
  @Query(() => String, { nullable: true })
  guarded() {
    return 'confidential';
  }

  @Query(() => String, { nullable: true })
  @UseFilters(MfaExceptionFilter)
  filtered() {
    return 'confidential';
  }
}

@Resolver(() => Account)
class AccountResolver {
  constructor(private readonly verification: MfaVerificationService) {}

  @Query(() => Account)
  account() {
    return { name: 'savings' };
  }

  @ResolveField(() => String, { nullable: true })
  @RequireMfa()
  balance() {
    return 'confidential';
  }

  @Mutation(() => String, { nullable: true })
  async bare(@Args('code') code: string) {
    return (await this.verification.stepUp('guessed', { code })).userId;
  }

  @Mutation(() => String, { nullable: true })
  @UseFilters(MfaExceptionFilter)
  async withFilter(@Args('code') code: string) {
    return (await this.verification.stepUp('guessed', { code })).userId;
  }
}

@Injectable({ scope: Scope.REQUEST })
@Resolver()
class ScopedResolver {
  @Query(() => String, { nullable: true })
  @RequireMfa()
  scoped() {
    return 'confidential';
  }
}

@Resolver()
class UnmarkedResolver {
  @Query(() => String, { nullable: true })
  unmarked() {
    return 'confidential';
  }

  @Query(() => String)
  @SkipMfa()
  open() {
    return 'public';
  }
}

/** A GraphQL server with the options of Nest's Apollo driver. */
function start(global: boolean, options: Partial<ApolloDriverConfig> = {}): Promise<HostApp> {
  return startHostApp({
    host: AnyTransportHost,
    imports: [
      GraphQLModule.forRoot<ApolloDriverConfig>({
        driver: ApolloDriver,
        autoSchemaFile: true,
        fieldResolverEnhancers: ['guards', 'filters'],
        ...options,
      }),
    ],
    providers: [
      ...[GuardedResolver, AccountResolver, ScopedResolver, UnmarkedResolver],
      ...(global ? [{ provide: APP_GUARD, useExisting: MfaGuard }] : []),
    ],
    options: FEW_CODES,
  });
}

const ask = async ({ app }: HostApp, query: string, session = '') => {
  const server = app.getHttpServer() as Parameters<typeof request>[0];
  const { body } = await request(server).post('/graphql').set('authorization', `Bearer ${session}`).send({ query });
  return body as { data: Record<string, unknown>; errors?: { message: string; extensions: Record<string, unknown> }[] };
};
const signedIn = ({ state, clock }: HostApp) =>
  state.signIn('gql', { mfaAt: new Date(clock.nowMs()), amr: ['pwd', 'mfa'] });

const VARIANTS: [string, Partial<ApolloDriverConfig>][] = [
  ['as it comes', {}],
  ['without autoTransformHttpErrors', { autoTransformHttpErrors: false }],
];

describe.each(VARIANTS)('S68 a GraphQL server %s', (_, driver) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await start(false, driver);
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  it.each(['guarded', 'filtered', 'scoped'])(
    'S68 refuses the query %s with the code in extensions, and resolves it after a second factor',
    async (query) => {
      const refused = await ask(host, `{ ${query} }`);
      expect(refused.data).toEqual({ [query]: null });
      expect(refused.errors).toMatchObject([
        { message: 'Sign in first.', extensions: { code: 'MFA_NOT_AUTHENTICATED', statusCode: 401 } },
      ]);
      expect(await ask(host, `{ ${query} }`, signedIn(host))).toEqual({ data: { [query]: 'confidential' } });
    },
  );

  it('S68 refuses a field and resolves its siblings', async () => {
    const { data, errors } = await ask(host, '{ account { name balance } }');
    expect(data).toEqual({ account: { name: 'savings', balance: null } });
    expect(errors).toMatchObject([{ extensions: { code: 'MFA_NOT_AUTHENTICATED' } }]);
    const { data: all } = await ask(host, '{ account { name balance } }', signedIn(host));
    expect(all).toEqual({ account: { name: 'savings', balance: 'confidential' } });
  });

  it('S68 returns an exception of a service as an error, with its code where MfaExceptionFilter is bound', async () => {
    await new Client(host, 'guessed').enroll();
    const bare = await ask(host, 'mutation { bare(code: "000000") }');
    expect(bare).toMatchObject({ data: { bare: null }, errors: [{ message: /^The code was not accepted/ }] });
    const filtered = await ask(host, 'mutation { withFilter(code: "000000") }');
    expect(filtered).toMatchObject({
      data: { withFilter: null },
      errors: [{ extensions: { code: 'MFA_CODE_REJECTED', statusCode: 401 } }],
    });
  });

  it.each<[string, () => unknown]>([
    ['rejects with undefined', () => Promise.reject<unknown>(undefined)],
    ['rejects with an error', () => Promise.reject(new Error('x'))],
    ['returns undefined', () => undefined],
  ])('S45 a principal() that %s is refused', async (__, principal) => {
    vi.spyOn(AnyTransportHost.prototype, 'principal').mockImplementation(principal as never);
    const { data, errors } = await ask(host, '{ guarded }', signedIn(host));
    expect([data, errors?.length]).toEqual([{ guarded: null }, 1]);
  });
});

describe('a GraphQL server without fieldResolverEnhancers', () => {
  it('runs no guard of a field, as docs/guides/guarding.md says', async () => {
    const host = await start(false, { fieldResolverEnhancers: [] });
    expect(await ask(host, '{ account { balance } }')).toEqual({ data: { account: { balance: 'confidential' } } });
    await host.close();
  });
});

describe('MfaGuard as APP_GUARD of a GraphQL server', () => {
  it('S68 refuses unmarked queries and admits those with @SkipMfa()', async () => {
    const host = await start(true);
    expect(await ask(host, '{ open }')).toEqual({ data: { open: 'public' } });
    const { data, errors } = await ask(host, '{ unmarked }');
    expect(data).toEqual({ unmarked: null });
    expect(errors).toMatchObject([{ extensions: { code: 'MFA_NOT_AUTHENTICATED' } }]);
    expect(await ask(host, '{ unmarked }', signedIn(host))).toEqual({ data: { unmarked: 'confidential' } });
    await host.close();
  });
});
