import { afterEach, describe, expect, it } from 'vitest';
import { Logger } from '@nestjs/common';
import { Client } from '../support/client.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { captured, takeLeaks } from '../support/log-capture.js';

/** Every specification that starts an application searches its log when it ends; these prove that the search finds. */
describe('S64 the log of every test application', () => {
  let host: HostApp | undefined;
  afterEach(() => host?.close());

  it('S64 contains no code, token, secret or otpauth URI of the whole life of an account, in statements and debug lines either', async () => {
    host = await startHostApp();
    const user = new Client(host, 'quiet');
    const { authenticator, backupCodes } = await user.enroll();
    await user.verify(await user.login(), authenticator.code()).expect(200);
    await user.verify(await user.login(), backupCodes[0]).expect(200);
    await user.verify(await user.login(), backupCodes[0]).expect(401);
    expect(captured().lines).toBeGreaterThan(50);
    expect(captured().sensitive).toBeGreaterThan(15);
    expect(takeLeaks()).toEqual([]);
  });

  it.each(['code', 'token', 'secret'] as const)('S64 is reported when a %s was logged', async (kind) => {
    host = await startHostApp();
    const user = new Client(host, 'loud');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    const code = authenticator.code();
    await user.verify(token, code).expect(200);
    const { body } = await user.post('/mfa/totp/setup', { code: authenticator.code(1) }).expect(200);
    const value = { code, token, secret: body.secret as string }[kind];
    new Logger('careless').debug(`user answered ${value}`);
    expect(takeLeaks()).toEqual([value]);
  });
});
