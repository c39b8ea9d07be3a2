import type { ExecutionContext } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaChallengeService, MfaVerificationService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';

describe('calls of the services by own controllers', () => {
  let host: HostApp;
  let verification: MfaVerificationService;
  let challenges: MfaChallengeService;
  const context = (...args: unknown[]) => new ExecutionContextHost(args) as ExecutionContext;

  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES });
    verification = host.app.get(MfaVerificationService);
    challenges = host.app.get(MfaChallengeService);
  });
  afterAll(() => host.close());

  const refused = { code: 'MFA_TOKEN_INVALID', status: 401 };

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a number', 7],
    ['an object', { userId: 'ann', tokenId: 'x', securityStamp: 1 }],
    ['an array', ['token']],
    ['a function', () => 'token'],
  ])('S67 a challenge that is %s is an invalid token', async (_, given) => {
    const challenge = given as string;
    await expect(verification.verify(challenge, { code: '123456' })).rejects.toMatchObject(refused);
    await expect(verification.login(challenge, { code: '123456' }, context({}, {}))).rejects.toMatchObject(refused);
    await expect(challenges.describe(challenge)).rejects.toMatchObject(refused);
    await expect(challenges.check(challenge)).rejects.toMatchObject(refused);
  });

  it.each<[string, unknown[]]>([
    ['no arguments', []],
    ['a text', ['a message to a bot']],
    ['null', [null]],
    ['a cookie and no response', [{ headers: { cookie: 'mfa_token=x' } }]],
    [
      'a response that was sent',
      [
        { headers: { cookie: 'mfa_token=x' } },
        {
          getHeader: () => undefined,
          setHeader: () => {
            throw new Error('ERR_HTTP_HEADERS_SENT');
          },
        },
      ],
    ],
  ])('S44 a login whose context has %s is completed, because its code is spent by then', async (name, args) => {
    const user = new Client(host, `user with ${name}`);
    const { authenticator } = await user.enroll();
    const login = verification.login(await user.login(), { code: authenticator.code() }, context(...args));
    await expect(login).resolves.toEqual({ accessToken: expect.any(String) });
  });
});
