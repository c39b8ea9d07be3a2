import { Injectable, Logger, type ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { MfaAdminService, type MfaAdminAction, type MfaChange } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { dumpTables, FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

type Change =
  | 'unlock'
  | 'invalidate'
  | 'passwordChanged'
  | 'reset'
  | 'issueRecoveryCode'
  | 'revokeDevices'
  | 'moveUser'
  | 'purgeUser';

/** Every method that changes something, with the events that it emits for an enrolled user. */
const CHANGES: [Change, string[]][] = [
  ['unlock', ['mfa.unlocked']],
  ['invalidate', ['mfa.invalidated']],
  ['passwordChanged', ['mfa.invalidated', 'mfa.unlocked']],
  ['issueRecoveryCode', ['mfa.recovery_code.issued']],
  ['reset', ['mfa.reset']],
  ['revokeDevices', ['mfa.device.revoked']],
  ['moveUser', ['mfa.user.moved']],
  ['purgeUser', ['mfa.disabled', 'mfa.user.purged']],
];

/** The request of the administrator, in any form that the host understands. */
const context = { getType: () => 'http' } as unknown as ExecutionContext;
const REQUEST = { requestId: 'r7', ip: '203.0.113.7', userAgent: 'support desk' };
const hookContexts: unknown[] = [];

@Injectable()
class TracingHost extends TestHost {
  override requestInfo(given: ExecutionContext) {
    if (given !== context) throw new Error('not a request');
    return REQUEST;
  }

  override revokeSessions(change: MfaChange, given: ExecutionContext | undefined): unknown {
    hookContexts.push(given);
    return super.revokeSessions(change, given);
  }
}

const movedId = (userId: string) => `${userId}-moved`;

describe('who makes an administrative change', () => {
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    host = await startHostApp({
      host: TracingHost,
      options: { ...FEW_CODES, enrollment: { allowPasswordOnly: true } },
    });
  });
  afterAll(() => host.close());

  const act = async (
    change: Change,
    userId: string,
    action: MfaAdminAction,
    request?: ExecutionContext,
  ): Promise<unknown> => {
    const admin = host.app.get(MfaAdminService, { strict: false });
    return change === 'moveUser'
      ? admin.moveUser(userId, movedId(userId), action, request)
      : admin[change](userId, action, request);
  };

  async function enrolled(): Promise<string> {
    const userId = `user-${(users += 1)}`;
    await new Client(host, userId).enroll();
    return userId;
  }

  it.each(CHANGES)('S65 S121 is in every event of %s, with the reason and the request', async (change, types) => {
    const userId = await enrolled();
    host.state.events.length = 0;
    hookContexts.length = 0;
    await act(change, userId, { actor: { userId: 7 }, reason: 'case 12' }, context);
    // The request has the session of the administrator, and no session of the user may stay.
    expect(hookContexts.filter((given) => given !== undefined)).toEqual([]);
    // The repetition of a finished move emits nothing, so this one goes on from the new id.
    const isMove = change === 'moveUser';
    await act(change, isMove ? movedId(userId) : userId, { actor: { system: 'nightly' } });
    const [first, second] = [
      { type: 'admin', id: '7' },
      { type: 'system', id: 'nightly' },
    ];
    await vi.waitFor(() => {
      // The event of a move names the new user id.
      const owner = isMove ? movedId(userId) : userId;
      const by = (id: string) => host.state.events.filter(({ actor }) => actor.id === id);
      const expected = { userId: owner, actor: first, reason: 'case 12', ...REQUEST };
      expect(by('7')).toMatchObject(types.map((type) => ({ type, ...expected })));
      expect(by('nightly').at(-1)).toMatchObject({
        type: types.at(-1),
        userId: isMove ? movedId(owner) : owner,
        actor: second,
      });
      expect(by('nightly').every((event) => !('reason' in event) && !('requestId' in event))).toBe(true);
      expect([...by('7'), ...by('nightly')]).toHaveLength(host.state.events.length);
    });
  });

  it('S65 changes the user also where the host does not understand the context', async () => {
    const userId = await enrolled();
    vi.spyOn(Logger.prototype, 'error').mockReturnValueOnce();
    host.state.events.length = 0;
    await act('unlock', userId, { actor: { userId: 7 } }, { url: '/admin' } as never);
    await vi.waitFor(() => expect(host.state.events).toMatchObject([{ type: 'mfa.unlocked', userId }]));
    expect(host.state.events[0]).not.toHaveProperty('requestId');
  });

  it.each(CHANGES)('S121 is required by %s, which otherwise changes nothing', async (change) => {
    const userId = await enrolled();
    const before = await dumpTables(host);
    host.state.events.length = 0;
    for (const action of [undefined, {}, { actor: {} }, { actor: null, reason: 'case 12' }]) {
      const message = `MfaAdminService.${change}: \`actor\` must be`;
      await expect(act(change, userId, action as never)).rejects.toThrow(message);
      await expect(act(change, userId, action as never)).rejects.toBeInstanceOf(TypeError);
    }
    expect(await dumpTables(host)).toEqual(before);
    expect(host.state.events).toEqual([]);
  });

  it.each([0, '', 'no', NaN])(
    'S102 is reset only where `requireEnrollment` is a boolean, and not %j',
    async (given) => {
      const userId = await enrolled();
      const before = await dumpTables(host);
      const options = { actor: { system: 'nightly' }, requireEnrollment: given as never };
      const reset = host.app.get(MfaAdminService, { strict: false }).reset(userId, options);
      await expect(reset).rejects.toThrow(
        new TypeError('MfaAdminService.reset: `requireEnrollment` must be true or false'),
      );
      expect(await dumpTables(host)).toEqual(before);
    },
  );

  it('S121 is the owner for a password that the owner changed, and an administrator for every other change', async () => {
    const userId = await enrolled();
    host.state.events.length = 0;
    await act('passwordChanged', userId, { actor: { userId } });
    await act('unlock', userId, { actor: { userId } });
    await vi.waitFor(() =>
      expect(host.state.events).toMatchObject([
        { type: 'mfa.invalidated', actor: { type: 'user', id: userId } },
        { type: 'mfa.unlocked', actor: { type: 'user', id: userId } },
        { type: 'mfa.unlocked', actor: { type: 'admin', id: userId } },
      ]),
    );
  });
});
