import { beforeEach, describe, expect, it } from 'vitest';
import { FakeResponse, httpContext, inMemoryDevices } from '../../../../test/support/in-memory-devices.js';

const NOT_FOUND = { code: 'MFA_DEVICE_NOT_FOUND', status: 404 };
const PRINCIPAL = { userId: 'ann', accountName: 'ann@example.test', sessionId: 's-1' };
let mfa: Awaited<ReturnType<typeof inMemoryDevices>>;
beforeEach(async () => void (mfa = await inMemoryDevices()));

describe('the list of devices', () => {
  it('has the devices of the user, the most recently used first, and marks that of the request', async () => {
    const first = await mfa.trust();
    mfa.clock.advance(1);
    const second = await mfa.trust({ kind: 'token' });
    const ids = [second.device.id, first.device.id];
    for (const user of ['ann', PRINCIPAL]) {
      expect((await mfa.service.list(user)).map(({ id, current }) => [id, current])).toEqual(
        ids.map((id) => [id, false]),
      );
      const listed = await mfa.service.list(user, httpContext(first.cookie));
      expect(listed.map(({ id, current }) => [id, current])).toEqual([
        [second.device.id, false],
        [first.device.id, true],
      ]);
    }
  });

  it('S113 is empty for another user, and for one without an account or a user id', async () => {
    const { cookie } = await mfa.trust();
    await mfa.enroll('bob');
    for (const user of ['bob', 'nobody', 'Ann', '']) {
      expect(await mfa.service.list(user, httpContext(cookie))).toEqual([]);
    }
  });

  it('S111 has no device that expired, nor one of an older security stamp', async () => {
    const { device } = await mfa.trust();
    mfa.clock.set(device.expiresAtMs - 1);
    expect(await mfa.service.list('ann')).toHaveLength(1);
    mfa.clock.set(device.expiresAtMs);
    expect(await mfa.service.list('ann')).toEqual([]);
    mfa.clock.set(device.createdAtMs);
    await mfa.accounts.invalidate('ann');
    expect(await mfa.service.list('ann')).toEqual([]);
  });
});

it('the list has no device whose key left the ring', async () => {
  const { device } = await mfa.trust();
  Object.assign(mfa.state.devices.get(device.id)!, { keyId: 'k0' });
  expect(await mfa.service.list('ann')).toEqual([]);
});

describe('the revocation of a device', () => {
  it('ends the device, and is an event', async () => {
    const { device, cookie } = await mfa.trust();
    const other = await mfa.trust();
    await mfa.service.revoke(PRINCIPAL, device.id);
    expect(await mfa.stored()).toEqual([other.device]);
    expect((await mfa.issue(cookie)).isTrusted).toBe(false);
    const createdAt = new Date(device.createdAtMs);
    expect(mfa.told.find(({ type }) => type === 'mfa.device.revoked')).toMatchObject({
      ...{ userId: 'ann', device: { id: device.id, label: 'Firefox', createdAt } },
    });
  });

  it('clears the cookie of the browser whose own device it is, and no other', async () => {
    const [own, other] = [await mfa.trust(), await mfa.trust()];
    const response = new FakeResponse();
    await mfa.service.revoke('ann', other.device.id, httpContext(own.cookie, response));
    expect(response.headers.size).toBe(0);
    await mfa.service.revoke('ann', own.device.id, httpContext(own.cookie, response));
    expect(response.cookies).toEqual([expect.stringMatching(`^${own.cookie.split('=', 1)[0]}=; Max-Age=0;`)]);
    const third = await mfa.trust();
    await expect(mfa.service.revoke('ann', third.device.id, httpContext(third.cookie, {}))).resolves.toBeUndefined();
  });

  it('S113 finds no device of another user, none twice, and none of a user without an id', async () => {
    const { device } = await mfa.trust();
    await mfa.enroll('bob');
    for (const user of ['bob', 'nobody', 'Ann', '']) {
      await expect(mfa.service.revoke(user, device.id)).rejects.toMatchObject(NOT_FOUND);
    }
    for (const id of ['', 'x', device.lookupHash, device.id.toUpperCase(), undefined, null, {}] as never[]) {
      await expect(mfa.service.revoke('ann', id)).rejects.toMatchObject(NOT_FOUND);
    }
    expect(await mfa.stored()).toEqual([device]);
    const both = await Promise.allSettled([mfa.service.revoke('ann', device.id), mfa.service.revoke('ann', device.id)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: NOT_FOUND });
    expect(mfa.deviceEvents().filter((type) => type === 'mfa.device.revoked')).toHaveLength(1);
  });
});
