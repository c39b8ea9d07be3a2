import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';
import { StatementCounts } from '../support/statement-counts.js';

describe.each(testDatabases)('P9 the statements of passkeys on %s', (database) => {
  let host: HostApp;
  let users = 0;
  const counts = new StatementCounts();
  const one = database === 'postgres';
  /** With the read after `completeLogin` or `completeStepUp`. */
  const right = one ? { total: 3, writing: 1 } : { total: 4, writing: 2 };

  beforeAll(async () => {
    const options = { ...FEW_CODES, ...PASSKEYS };
    host = await startHostApp({ database, options, dataSource: counts.dataSource });
  });
  afterAll(() => host.close());

  async function enrolled(settings = {}) {
    const [user, key] = [new PasskeyClient(host, `user-${(users += 1)}`), newKey(settings)];
    await user.addPasskey(key);
    return { user, key };
  }

  it.each([
    ['a device-bound passkey', {}],
    ['a synced passkey', { synced: true }],
  ])('a verification by %s, and a spent response', async (_title, settings) => {
    const { user, key } = await enrolled(settings);
    const { mfa_token, options } = await user.startPasskeyLogin();
    const passkey = key.get(options);
    const accepted = await counts.of(() => user.verifyPasskey(mfa_token, passkey));
    expect(accepted).toEqual({ status: 200, ...right });
    const spent = await counts.of(() => user.verifyPasskey(mfa_token, passkey));
    expect(spent).toEqual({ status: 401, total: 1, writing: 0 });
  });

  it('a verification with a wrong signature reads once', async () => {
    const { user, key } = await enrolled();
    const { mfa_token, options } = await user.startPasskeyLogin();
    const passkey = key.get(options, { badSignature: true });
    expect(await counts.of(() => user.verifyPasskey(mfa_token, passkey))).toEqual({
      status: 401,
      total: 1,
      writing: 0,
    });
  });

  it('a step-up', async () => {
    const { user, key } = await enrolled();
    const passkey = await user.prove(key, 'step-up');
    expect(await counts.of(() => user.post('/mfa/step-up', { passkey }))).toEqual({ status: 200, ...right });
  });

  it('the options of a login and of a session: one, no write and no cookie', async () => {
    const { user } = await enrolled();
    const mfa_token = await user.login();
    const reading = { status: 200, total: 1, writing: 0 };
    expect(await counts.of(() => request(user.server).post('/mfa/passkeys/options').send({ mfa_token }))).toEqual(
      reading,
    );
    for (const purpose of ['step-up', 'change']) {
      expect(await counts.of(() => user.post('/mfa/passkeys/options', { purpose }))).toEqual(reading);
    }
    const answer = await user.post('/mfa/passkeys/options').expect(200);
    expect(answer.headers['set-cookie']).toBeUndefined();
  });

  it('issue() for a user with passkeys: one, no write', async () => {
    const { user } = await enrolled();
    expect(await counts.of(() => user.loginAnswer())).toEqual({ status: 201, total: 1, writing: 0 });
  });

  it('P11 TOTP runs the same statements with the option and without it, also beside a passkey', async () => {
    const { user, key } = await enrolled();
    const setup = await user.post('/mfa/totp/setup', { passkey: await user.prove(key) }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    await user.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
    host.clock.advance(30);
    const token = await user.login();
    const accepted = await counts.of(() => user.verify(token, phone.code()));
    expect(accepted).toEqual({ status: 200, ...(one ? { total: 3, writing: 2 } : { total: 6, writing: 4 }) });
    const next = await user.login();
    const wrong = await counts.of(() => user.verify(next, '000000'));
    expect(wrong).toEqual({ status: 401, total: one ? 1 : 2, writing: 1 });
  });
});
