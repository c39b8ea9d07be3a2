import { beforeEach, describe, expect, it, vi } from 'vitest';
import { inMemoryDevices } from '../../../../test/support/in-memory-devices.js';
import type { TrustedDevice } from '../domain/devices/device.js';

let mfa: Awaited<ReturnType<typeof inMemoryDevices>>;
beforeEach(async () => void (mfa = await inMemoryDevices()));

describe('a login beside another one from the same browser', () => {
  /** The login reads the row; then `meanwhile` runs before its write. */
  async function beside(cookie: string, meanwhile: () => Promise<unknown>, rest: object = {}) {
    for (const name of ['rotate', 'noteUse', 'removeWith'] as const) {
      const real = mfa.devices[name].bind(mfa.devices) as (...args: unknown[]) => Promise<boolean>;
      vi.spyOn(mfa.devices, name).mockImplementationOnce(async (...args: unknown[]) => {
        vi.restoreAllMocks();
        await meanwhile();
        return real(...args);
      });
    }
    const result = await mfa.issue(cookie, rest);
    vi.restoreAllMocks();
    return result;
  }

  it('S112 receives the same next secret if the other one rotated it first', async () => {
    const { cookie } = await mfa.trust();
    let other = { next: '' };
    const { isTrusted, next } = await beside(cookie, async () => (other = await mfa.issue(cookie)));
    expect([isTrusted, next]).toEqual([true, other.next]);
    expect(mfa.deviceEvents()).not.toContain('mfa.device.reused');
  });

  it('S112 is trusted and receives no cookie if others rotated the secret twice, which raises no alarm', async () => {
    const { cookie } = await mfa.trust();
    let newest = '';
    const late = await beside(cookie, async () => {
      mfa.clock.advance(5);
      newest = (await mfa.issue((await mfa.issue(cookie)).next)).next;
    });
    expect([late.isTrusted, late.cookies]).toEqual([true, []]);
    expect((await mfa.issue(newest)).isTrusted).toBe(true);
    expect(mfa.deviceEvents()).not.toContain('mfa.device.reused');
  });

  it('S112 is trusted by the previous secret if another one rotated the current one, which raises no alarm', async () => {
    const { cookie } = await mfa.trust();
    const { next } = await mfa.issue(cookie);
    let newest = '';
    const late = await beside(cookie, async () => (newest = (await mfa.issue(next)).next));
    expect([late.isTrusted, late.cookies]).toEqual([true, []]);
    expect((await mfa.issue(newest)).isTrusted).toBe(true);
    expect(mfa.deviceEvents()).not.toContain('mfa.device.reused');
  });

  it.each<[string, (device: TrustedDevice) => Promise<unknown>]>([
    ['removed', (device) => mfa.devices.remove('ann', device.id)],
    ['ended by a security stamp', () => mfa.accounts.invalidate('ann')],
  ])('S111 is not trusted if the device was %s meanwhile', async (_, end) => {
    const { cookie, device } = await mfa.trust();
    expect((await beside(cookie, () => end(device))).isTrusted).toBe(false);
    const second = await mfa.trust({ securityStamp: (await mfa.accounts.load('ann'))!.account.securityStamp });
    const { next } = await mfa.issue(second.cookie);
    // By its previous secret, and after two rotations.
    expect((await beside(second.cookie, () => end(second.device))).isTrusted).toBe(false);
    expect(next).not.toBe('');
    expect(mfa.deviceEvents()).not.toContain('mfa.device.reused');
  });

  it('S111 is not trusted after two rotations if the device was removed before its use was recorded', async () => {
    const { cookie, device } = await mfa.trust();
    const late = await beside(cookie, async () => {
      await mfa.issue((await mfa.issue(cookie)).next);
      vi.spyOn(mfa.devices, 'noteUse').mockImplementationOnce(async () =>
        mfa.devices.remove('ann', device.id).then(() => false),
      );
    });
    expect(late.isTrusted).toBe(false);
  });

  it('S112 takes a late previous secret for a foreign one if the owner rotated the current one meanwhile', async () => {
    const { cookie } = await mfa.trust();
    const { next } = await mfa.issue(cookie);
    mfa.clock.advance(61);
    const late = await beside(cookie, () => mfa.issue(next));
    // Read again, the secret is neither the current one nor the one before.
    expect(late.isTrusted).toBe(false);
    expect(await mfa.stored()).toEqual([]);
    expect(mfa.deviceEvents().at(-1)).toBe('mfa.device.reused');
  });

  it('asks if the row changes at both tries', async () => {
    const { cookie } = await mfa.trust();
    vi.spyOn(mfa.devices, 'rotate').mockResolvedValue(false);
    expect((await mfa.issue(cookie)).isTrusted).toBe(false);
    expect(mfa.devices.rotate).toHaveBeenCalledTimes(2);
    vi.restoreAllMocks();
    expect((await mfa.issue(cookie)).isTrusted).toBe(true);
  });

  it('S112 asks by a foreign secret, also if the row changes at both tries', async () => {
    const { cookie } = await mfa.trust();
    await mfa.issue((await mfa.issue(cookie)).next);
    vi.spyOn(mfa.devices, 'removeWith').mockResolvedValue(false);
    expect((await mfa.issue(cookie)).isTrusted).toBe(false);
    expect(mfa.devices.removeWith).toHaveBeenCalledTimes(2);
    vi.restoreAllMocks();
    expect(mfa.deviceEvents()).not.toContain('mfa.device.reused');
  });

  it.each([undefined, null, 1, 'true', {}])('is not trusted by a write that returns %j', async (odd) => {
    const { cookie } = await mfa.trust();
    const { text } = await mfa.trust({ kind: 'token' });
    vi.spyOn(mfa.devices, 'rotate').mockResolvedValue(odd as never);
    vi.spyOn(mfa.devices, 'noteUse').mockResolvedValue(odd as never);
    expect((await mfa.issue(cookie)).isTrusted).toBe(false);
    expect((await mfa.issue(undefined, { deviceToken: text })).isTrusted).toBe(false);
    vi.restoreAllMocks();
  });
});

describe('a login whose secret others rotated before it was read', () => {
  /** The login begins; then `meanwhile` runs before it reads the account and the device. */
  async function late(meanwhile: (cookie: string) => Promise<unknown>) {
    const { cookie } = await mfa.trust();
    const real = mfa.accounts.loadForLogin.bind(mfa.accounts);
    vi.spyOn(mfa.accounts, 'loadForLogin').mockImplementationOnce(async (...args) => {
      await meanwhile(cookie);
      return real(...args);
    });
    return mfa.issue(cookie);
  }

  const overtaken = (waitSeconds: number) =>
    late(async (cookie) => {
      mfa.clock.advance(waitSeconds);
      await mfa.issue((await mfa.issue(cookie)).next);
    });

  it('S112 is not trusted by the previous secret, where the login took more than 60 s, and raises no alarm', async () => {
    const slow = await late(async (cookie) => {
      mfa.clock.advance(1);
      await mfa.issue(cookie);
      mfa.clock.advance(60.001);
    });
    expect(slow.isTrusted).toBe(false);
    expect(await mfa.stored()).toEqual([]);
    expect(mfa.deviceEvents()).not.toContain('mfa.device.reused');
  });

  it('S112 is trusted and receives no cookie, where the login began earlier, and raises no alarm', async () => {
    const login = await overtaken(0.001);
    expect([login.isTrusted, login.cookies]).toEqual([true, []]);
    expect(mfa.deviceEvents()).not.toContain('mfa.device.reused');
    expect(await mfa.stored()).toHaveLength(1);
  });

  it('S112 is an alarm where only the slow clock of its instance makes the rotation later', async () => {
    const { cookie } = await mfa.trust();
    await mfa.issue((await mfa.issue(cookie)).next);
    mfa.clock.advance(-300);
    expect((await mfa.issue(cookie)).isTrusted).toBe(false);
    expect(mfa.deviceEvents().at(-1)).toBe('mfa.device.reused');
    expect(await mfa.stored()).toEqual([]);
  });

  it('S112 ends the device where the login did not begin earlier', async () => {
    expect((await overtaken(0)).isTrusted).toBe(false);
    expect(mfa.deviceEvents().at(-1)).toBe('mfa.device.reused');
    expect(await mfa.stored()).toEqual([]);
  });
});
