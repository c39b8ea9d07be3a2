import { describe, expect, it, vi } from 'vitest';
import { lazy } from './lazy.js';

describe('loading on first use', () => {
  it('loads nothing before, and once for all who ask', async () => {
    const load = vi.fn<() => Promise<object>>(async () => ({}));
    const loaded = lazy(load);
    expect(load).not.toHaveBeenCalled();
    const [one, other] = await Promise.all([loaded(), loaded()]);
    expect(one).toBe(other);
    expect(await loaded()).toBe(one);
    expect(load).toHaveBeenCalledOnce();
  });

  it('does not keep a failure', async () => {
    const load = vi
      .fn<() => Promise<string>>(async () => 'loaded')
      .mockRejectedValueOnce(new Error('too many open files'));
    const loaded = lazy(load);
    await expect(Promise.all([loaded(), loaded()])).rejects.toThrow('too many open files');
    expect(await loaded()).toBe('loaded');
    expect(load).toHaveBeenCalledTimes(2);
  });
});
