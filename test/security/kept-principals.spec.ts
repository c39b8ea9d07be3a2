import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Injectable, type ExecutionContext } from '@nestjs/common';
import { Field, GraphQLModule, ObjectType, Query, ResolveField, Resolver } from '@nestjs/graphql';
import { createClient, type Client as SocketClient, type ExecutionResult } from 'graphql-ws';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { MfaPrincipal } from 'nestjs-mfa';
import { RequireMfa } from 'nestjs-mfa';
import { FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

interface Connection {
  connectionParams?: { session?: string };
  extra: { req?: object };
}

/** A host whose session token comes with the WebSocket connection of a GraphQL client. */
@Injectable()
class ConnectionHost extends TestHost {
  override principal(context: ExecutionContext): MfaPrincipal | null {
    const { req } = context.getArgByIndex<{ req: { headers: { session?: string } } }>(2);
    const session = this.auth.state.sessions.get(req.headers.session ?? '');
    return session ? { ...session, accountName: session.userId } : null;
  }
}

@ObjectType()
class Vault {
  @Field(() => String)
  name!: string;

  @Field(() => String, { nullable: true })
  content?: string;
}

@Resolver(() => Vault)
class VaultResolver {
  @Query(() => Vault)
  @RequireMfa()
  vault() {
    return { name: 'gold' };
  }

  @ResolveField(() => String, { nullable: true })
  @RequireMfa()
  content() {
    return 'confidential';
  }
}

/** The object that graphql-ws keeps for a connection is the context of each of its operations. */
const CONNECTION_AS_CONTEXT = {
  context: ({ extra }: Connection) => extra,
  subscriptions: {
    'graphql-ws': {
      onConnect: ({ connectionParams, extra }: Connection) => {
        extra.req = { headers: { ...connectionParams } };
      },
    },
  },
} as Partial<ApolloDriverConfig>;

describe('a GraphQL context that lives as long as a WebSocket connection', () => {
  let host: HostApp;
  let client: SocketClient;
  let session: string;

  beforeAll(async () => {
    host = await startHostApp({
      host: ConnectionHost,
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          autoSchemaFile: true,
          fieldResolverEnhancers: ['guards'],
          ...CONNECTION_AS_CONTEXT,
        }),
      ],
      providers: [VaultResolver],
      options: FEW_CODES,
    });
  });
  beforeEach(async () => {
    session = host.state.signIn('ann', { mfaAt: new Date(host.clock.nowMs()), amr: ['pwd', 'mfa'] });
    const url = (await host.app.getUrl()).replace('http', 'ws') + '/graphql';
    client = createClient({
      url,
      webSocketImpl: WebSocket,
      connectionParams: { session },
      lazy: true,
      lazyCloseTimeout: 60_000,
    });
    return async () => client.dispose();
  });
  afterAll(() => host.close());

  async function ask(): Promise<ExecutionResult> {
    const results = client.iterate({ query: '{ vault { name content } }' });
    const { value } = await results.next();
    await results.return?.();
    return value as ExecutionResult;
  }

  it('S46 S69 keeps no principal from one operation to the next: after the logout the connection is refused', async () => {
    expect((await ask()).data).toEqual({ vault: { name: 'gold', content: 'confidential' } });
    host.state.signOut('ann');
    const refused = await ask();
    expect(refused.data).toBeNull();
    expect(refused.errors?.[0]?.extensions).toMatchObject({ code: 'MFA_NOT_AUTHENTICATED' });
  });

  it('asks the host once for all fields of one operation', async () => {
    const principal = vi.spyOn(ConnectionHost.prototype, 'principal');
    await ask();
    expect(principal).toHaveBeenCalledTimes(1);
    await ask();
    expect(principal).toHaveBeenCalledTimes(2);
  });
});
