import { beforeEach, describe, expect, it } from 'vitest';
import { FakeResponse, httpContext, inMemoryDevices } from '../../../../test/support/in-memory-devices.js';

let mfa: Awaited<ReturnType<typeof inMemoryDevices>>;
beforeEach(async () => void (mfa = await inMemoryDevices()));

describe('a verification with rememberDevice', () => {
  const context = (response: FakeResponse) => httpContext(undefined, response);
  const tokenOf = async (): Promise<string> => {
    const { result } = await mfa.issue(undefined);
    if (!result.mfaRequired) throw new Error('a second step is expected');
    return result.mfa_token;
  };

  it('sets the cookie of a browser, and gives an app its token', async () => {
    const response = new FakeResponse();
    const browser = { code: mfa.phone.code(), rememberDevice: true };
    const verified = await mfa.verification.verify(await tokenOf(), browser, context(response));
    expect(verified).not.toHaveProperty('login.deviceToken');
    expect(response.cookies).toHaveLength(1);
    const app = { code: mfa.phone.code(1), rememberDevice: 'token' } as const;
    const result = await mfa.verification.verify(await tokenOf(), app);
    expect(result).toHaveProperty('login.deviceToken', expect.stringMatching(/^[\w-]{22}\.[\w-]{43}$/));
    expect((await mfa.stored()).map(({ kind }) => kind).toSorted()).toEqual(['cookie', 'token']);
  });

  it.each([undefined, null, false])('trusts nothing as %j', async (rememberDevice) => {
    const response = new FakeResponse();
    await mfa.verification.verify(await tokenOf(), { code: mfa.phone.code(), rememberDevice }, context(response));
    expect([response.cookies, await mfa.stored()]).toEqual([[], []]);
  });

  it.each(['yes', 'true', '', 0, 1, {}, [], ['token']])(
    'refuses %j before anything is spent',
    async (rememberDevice) => {
      const token = await tokenOf();
      const proof = { code: mfa.phone.code(), rememberDevice } as never;
      const message = ["rememberDevice must be true, false or 'token'"];
      await expect(mfa.verification.verify(token, proof)).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
      await expect(mfa.verification.verify(token, proof)).rejects.toMatchObject({ response: { message } });
      await expect(mfa.verification.verify(token, { code: mfa.phone.code() })).resolves.toBeDefined();
    },
  );

  it('S71 sets the cookie once the host completed the login, and withdraws the device where it refuses', async () => {
    const response = new FakeResponse();
    let during: unknown;
    mfa.host.completeLogin = () => {
      during = [response.cookies, mfa.deviceEvents()];
      return { accessToken: 'a' };
    };
    const proof = { code: mfa.phone.code(), rememberDevice: true };
    await expect(mfa.verification.login(await tokenOf(), proof, context(response))).resolves.toEqual({
      accessToken: 'a',
    });
    expect(during).toEqual([[], []]);
    expect([response.cookies.length, mfa.deviceEvents()]).toEqual([1, ['mfa.device.trusted']]);

    const refused = new FakeResponse();
    mfa.host.completeLogin = () => Promise.reject(new RangeError('blocked'));
    const again = { code: mfa.phone.code(1), rememberDevice: true };
    await expect(mfa.verification.login(await tokenOf(), again, context(refused))).rejects.toThrow('blocked');
    expect(await mfa.stored()).toHaveLength(1);
    expect([refused.cookies, mfa.deviceEvents()]).toEqual([[], ['mfa.device.trusted']]);
  });
});
