import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it } from 'vitest';
import { inMemoryMfa } from '../../../../test/support/in-memory-mfa.js';

/** How often the host is asked for the principal of these contexts. */
async function timesAsked(type: string, ...calls: unknown[][]): Promise<number> {
  const { host, hostAccess } = inMemoryMfa();
  let asked = 0;
  host.principal = () => ({ userId: `user-${(asked += 1)}`, accountName: 'a' });
  for (const args of calls) {
    const context = new ExecutionContextHost(args);
    context.setType(type);
    await hostAccess.principal(context);
  }
  return asked;
}

const request = () => ({ headers: {} });

describe('S69 the principal of a request', () => {
  it('is asked for once per HTTP request', async () => {
    const [one, other] = [request(), request()];
    expect(await timesAsked('http', [one, {}], [one, {}], [other, {}], [one, {}])).toBe(2);
  });

  it('is asked for once per GraphQL context', async () => {
    const [one, other] = [{ req: request() }, { req: request() }];
    expect(await timesAsked('graphql', [{}, {}, one, {}], [{ field: 1 }, {}, one, {}], [{}, {}, other, {}])).toBe(2);
  });

  it('S69 is not shared by requests whose GraphQL context is one object', async () => {
    const shared: { req?: object } = {};
    const { host, hostAccess } = inMemoryMfa();
    host.principal = () => ({ userId: (shared.req as { user: string }).user, accountName: 'a' });
    const users: (string | undefined)[] = [];
    for (const user of ['ann', 'bob']) {
      shared.req = { ...request(), user };
      const context = new ExecutionContextHost([{}, {}, shared, {}]);
      context.setType('graphql');
      users.push((await hostAccess.principal(context))?.userId);
    }
    expect(users).toEqual(['ann', 'bob']);
  });

  it('S69 is not kept from one operation to the next, though their GraphQL context is one object', async () => {
    const connection = { req: request() };
    const [one, other] = [{ variableValues: {} }, { variableValues: {} }];
    const fields = [one, one, other, other].map((info) => [{}, {}, connection, info]);
    expect(await timesAsked('graphql', ...fields)).toBe(2);
  });

  it.each<[string, unknown[]]>([
    ['ws', [{ headers: {} }, { session: 1 }]],
    ['rpc', [{ headers: {} }, {}]],
    ['http', [{ text: 'a message to a bot' }]],
    ['http', [undefined]],
    ['graphql', [{}, {}, undefined, {}]],
    ['something new', [{ headers: {} }]],
  ])('is not kept for %s contexts with the arguments %j', async (type, args) => {
    expect(await timesAsked(type, args, args)).toBe(2);
  });
});
