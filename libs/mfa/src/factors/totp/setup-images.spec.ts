import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Authenticator } from '../../domain/authenticators/authenticator.js';
import { FixedClock } from '../../testing/fixed-clock.js';
import type { TotpService } from './totp.service.js';
import { SetupImages } from './setup-images.js';

const clock = new FixedClock();
const totp = { qrCode: vi.fn<TotpService['qrCode']>(), qrSvg: vi.fn<TotpService['qrSvg']>() };
const setup = (id: string) => ({ id, expiresAtMs: clock.nowMs() + 600_000 }) as Authenticator;
const of = (uri: string) => ({ qrCode: `png of ${uri}`, qrSvg: `svg of ${uri}` });

let images: SetupImages;
beforeEach(() => {
  vi.resetAllMocks();
  totp.qrCode.mockImplementation(async (uri) => `png of ${uri}`);
  totp.qrSvg.mockImplementation(async (uri) => `svg of ${uri}`);
  images = new SetupImages(totp as unknown as TotpService, clock);
});

const drawn = () => [totp.qrCode.mock.calls.length, totp.qrSvg.mock.calls.length];

describe('the images of a setup', () => {
  it('S79 are drawn once, however often and in parallel they are asked for', async () => {
    const ann = setup('ann');
    const found = await Promise.all(Array.from({ length: 10 }, () => images.of(ann, 'uri')));
    found.push(await images.of(ann, 'uri'));
    expect(found).toEqual(Array.from({ length: 11 }, () => of('uri')));
    expect(drawn()).toEqual([1, 1]);
  });

  it('S79 are never those of another URI or another setup', async () => {
    await expect(images.of(setup('ann'), 'first')).resolves.toEqual(of('first'));
    await expect(images.of(setup('ann'), 'second')).resolves.toEqual(of('second'));
    await expect(images.of(setup('bob'), 'third')).resolves.toEqual(of('third'));
    await expect(images.of(setup('ann'), 'second')).resolves.toEqual(of('second'));
    expect(drawn()).toEqual([3, 3]);
  });

  it('are drawn again when drawing failed, and when the setup ended', async () => {
    totp.qrSvg.mockRejectedValueOnce(new Error('no memory'));
    await expect(images.of(setup('ann'), 'uri')).rejects.toThrow('no memory');
    await expect(images.of(setup('ann'), 'uri')).resolves.toEqual(of('uri'));
    images.forget('ann');
    await images.of(setup('ann'), 'uri');
    expect(drawn()).toEqual([3, 3]);
  });

  it('S58 are kept for the newest hundred setups, and for none that expired', async () => {
    const ids = Array.from({ length: 101 }, (_, index) => `user-${index}`);
    for (const id of ids) await images.of(setup(id), id);
    await images.of(setup('user-1'), 'user-1');
    expect(drawn()).toEqual([101, 101]);
    await images.of(setup('user-0'), 'user-0');
    expect(drawn()).toEqual([102, 102]);
    clock.advance(601);
    await images.of(setup('late'), 'late');
    await images.of({ id: 'user-0' } as Authenticator, 'user-0');
    expect(drawn()).toEqual([104, 104]);
  });
});
