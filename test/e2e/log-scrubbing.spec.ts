import { afterEach, describe, expect, it } from 'vitest';
import { Logger } from '@nestjs/common';
import { MfaHost, type MfaEvent } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { captured, takeLeaks } from '../support/log-capture.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

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

  it('S64 contains no WebAuthn challenge and no part of a response of the whole life of a passkey, in events either', async () => {
    host = await startHostApp({ options: { ...PASSKEYS, ...FEW_CODES } });
    const user = new PasskeyClient(host, 'quiet');
    const key = newKey();
    await user.addPasskey(key, undefined, 'Laptop');
    expect((await user.signInByPasskey(key)).status).toBe(200);
    for (const fault of [{ badSignature: true }, { counter: 1 }, { origin: 'http://evil.example' }])
      expect((await user.signInByPasskey(key, fault)).status).toBe(401);
    const stepUp = await user.prove(key, 'step-up');
    await user.post('/mfa/step-up', { passkey: stepUp }).expect(200);
    await user.post('/mfa/step-up', { passkey: stepUp }).expect(401);
    const next = await user.setupPasskey({ passkey: await user.prove(key) }).expect(200);
    await user.confirmPasskey(newKey().create(next.body.options, { badSignature: true })).expect(401);
    const [{ id }] = (await user.get('/mfa/status')).body.authenticators;
    await user.post(`/mfa/authenticators/${id}/remove`, { passkey: await user.prove(key) }).expect(200);
    // Of each ceremony the challenge, the client data, and the signed or attested data.
    expect(captured().sensitive).toBeGreaterThan(25);
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

  it.each(['logged', 'in an event'] as const)(
    'S64 is reported when each part of a response of a passkey, and its WebAuthn challenge, was %s',
    async (where) => {
      host = await startHostApp({ options: { ...PASSKEYS, ...FEW_CODES } });
      const user = new PasskeyClient(host, 'loud');
      const key = newKey();
      const { options } = (await user.setupPasskey().expect(200)).body;
      const registration = key.create(options);
      await user.confirmPasskey(registration).expect(200);
      const assertion = await user.prove(key, 'step-up');
      await user.post('/mfa/step-up', { passkey: assertion }).expect(200);
      const { clientDataJSON, attestationObject, authenticatorData: attested } = registration.response;
      const { authenticatorData, signature } = assertion.response;
      const values = [options.challenge, clientDataJSON, attestationObject, attested, authenticatorData, signature];
      for (const value of values) {
        if (where === 'logged') new Logger('careless').debug({ passkey: { value } });
        else await host.app.get(MfaHost, { strict: false }).notify!({ userId: value } as MfaEvent);
      }
      expect(takeLeaks().toSorted()).toEqual(values.toSorted());
    },
  );
});
