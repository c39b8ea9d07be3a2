import type { ExecutionContext } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { describe, expect, it } from 'vitest';
import type { MfaChallenge } from '../challenge/mfa-challenge.js';
import { challengeOf, hasCheckedChallenge, setChallenge } from './route-access.js';
import { CurrentChallenge } from './decorators.js';

const challenge = { userId: 'ann' } as MfaChallenge;

function contextOf(request: object, type = 'http'): ExecutionContext {
  const context = new ExecutionContextHost([request, {}]);
  context.setType(type);
  return context;
}

describe('the challenge of a request', () => {
  it('is known once it was set, for that request alone', () => {
    const [one, other] = [contextOf({}), contextOf({})];
    expect(hasCheckedChallenge(one)).toBe(false);
    setChallenge(one, challenge, { checked: true });
    expect([hasCheckedChallenge(one), hasCheckedChallenge(other)]).toEqual([true, false]);
    expect(challengeOf(one)).toBe(challenge);
    expect(() => challengeOf(other)).toThrow(expect.objectContaining({ code: 'MFA_TOKEN_INVALID' }));
  });

  it('is there unchecked where only signature and lifetime were looked at, and checked once it is', () => {
    const context = contextOf({});
    setChallenge(context, challenge, { checked: false });
    expect(challengeOf(context)).toBe(challenge);
    expect(hasCheckedChallenge(context)).toBe(false);
    setChallenge(context, challenge, { checked: true });
    expect(hasCheckedChallenge(context)).toBe(true);
  });

  it('S45 cannot be brought along by a request', () => {
    const forged = contextOf({ challenge, mfaChallenge: challenge, [Symbol.for('nestjs-mfa:challenge')]: challenge });
    expect(hasCheckedChallenge(forged)).toBe(false);
    expect(() => challengeOf(forged)).toThrow(expect.objectContaining({ code: 'MFA_TOKEN_INVALID' }));
  });

  it('leaves no trace on the request', () => {
    const request = {};
    setChallenge(contextOf(request), challenge, { checked: true });
    expect(Reflect.ownKeys(request)).toEqual([]);
  });

  it('S46 counts for HTTP alone, though another transport show the same object', () => {
    const request = {};
    setChallenge(contextOf(request), challenge, { checked: true });
    expect(hasCheckedChallenge(contextOf(request))).toBe(true);
    expect(hasCheckedChallenge(contextOf(request, 'ws'))).toBe(false);
  });

  it('is what @CurrentChallenge() gives to a handler', () => {
    class Controller {
      handler(@CurrentChallenge() given: MfaChallenge) {
        return given;
      }
    }
    const [parameter] = Object.values(
      Reflect.getMetadata(ROUTE_ARGS_METADATA, Controller, 'handler') as Record<
        string,
        { factory(data: unknown, context: ExecutionContext): unknown }
      >,
    );
    const context = contextOf({});
    expect(() => parameter!.factory(undefined, context)).toThrow(
      expect.objectContaining({ code: 'MFA_TOKEN_INVALID' }),
    );
    setChallenge(context, challenge, { checked: true });
    expect(parameter!.factory(undefined, context)).toBe(challenge);
  });
});
