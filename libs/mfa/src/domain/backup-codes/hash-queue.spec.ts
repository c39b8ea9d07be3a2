import { afterEach, describe, expect, it, vi } from 'vitest';
import { defaultHashConcurrency, HashQueue, processHashQueue } from './hash-queue.js';

/** Work that ends when told to. */
function barrier() {
  let open!: () => void;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
}

describe('HashQueue', () => {
  it('S58 runs no more than its limit at once, and everything in the end, in order', async () => {
    const queue = new HashQueue({ concurrency: 2, maxWaiting: 100 });
    const begun: number[] = [];
    let running = 0;
    let most = 0;
    const work = (index: number) => async () => {
      begun.push(index);
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      return index;
    };
    const indexes = Array.from({ length: 50 }, (_, index) => index);
    const burst = () => Promise.all(indexes.map((index) => queue.run(work(index))));
    await expect(burst()).resolves.toEqual(indexes);
    // A second time, because a place lost or won in the first burst would only show now.
    await expect(burst()).resolves.toEqual(indexes);
    expect([begun, most]).toEqual([[...indexes, ...indexes], 2]);
  });

  it('S58 refuses what is beyond the waiting room at once, without calling it', async () => {
    const queue = new HashQueue({ concurrency: 1, maxWaiting: 1 });
    const { open, passed } = barrier();
    const accepted = [queue.run(() => passed), queue.run(() => passed)];
    let called = false;
    const refused = queue.run(async () => (called = true));
    await expect(refused).rejects.toMatchObject({ code: 'MFA_BUSY', details: { retryAfterSeconds: 1 } });
    open();
    await Promise.all(accepted);
    expect(called).toBe(false);
    await expect(queue.run(async () => 'again')).resolves.toBe('again');
  });

  it.each([
    [1, 99, 5],
    [1, 100, 6],
    [2, 99, 3],
  ])(
    'S58 asks to wait longer behind a longer queue, and less long where more runs at once: %i at once, %i waiting, %i s',
    async (concurrency, maxWaiting, retryAfterSeconds) => {
      const queue = new HashQueue({ concurrency, maxWaiting });
      const { open, passed } = barrier();
      const accepted = Array.from({ length: concurrency + maxWaiting }, () => queue.run(() => passed));
      await expect(queue.run(() => passed)).rejects.toMatchObject({ details: { retryAfterSeconds } });
      open();
      await Promise.all(accepted);
    },
  );

  it('frees the place of work that fails, be it at once or later', async () => {
    const queue = new HashQueue({ concurrency: 1, maxWaiting: 0 });
    await expect(queue.run(() => Promise.reject(new Error('later')))).rejects.toThrow('later');
    await expect(
      queue.run(() => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
    await expect(queue.run(async () => 1)).resolves.toBe(1);
  });

  it.each([
    { concurrency: 0, maxWaiting: 1 },
    { concurrency: 1.5, maxWaiting: 1 },
    { concurrency: Number.NaN, maxWaiting: 1 },
    { concurrency: 1, maxWaiting: -1 },
    { concurrency: 1, maxWaiting: Number.POSITIVE_INFINITY },
  ])('refuses the limits %j', (limits) => {
    const message = expect.stringMatching(/^concurrency must be .* at least 1, and maxWaiting one of at least 0$/);
    expect(() => new HashQueue(limits)).toThrow(expect.objectContaining({ code: 'MFA_MISCONFIGURED', message }));
  });

  it('runs work in the queue of the process too', async () => {
    await expect(processHashQueue.run(async () => 'done')).resolves.toBe('done');
  });
});

describe('defaultHashConcurrency', () => {
  it.each([
    [1, 4, 1],
    [2, 4, 1],
    [4, 4, 3],
    [64, 4, 3],
    [64, 128, 63],
    [8, 1, 1],
  ])('S58 leaves a core and a pool thread free: %i cores and %i threads give %i', (cores, threads, expected) => {
    expect(defaultHashConcurrency(cores, threads)).toBe(expected);
  });

  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it.each([
    ['8', 7],
    ['2', 1],
    ['1', 1],
    ['0', 3],
    ['-8', 3],
    ['1.5', 3],
    ['many', 3],
    ['', 3],
    [undefined, 3],
  ])('S58 reads the number of pool threads from UV_THREADPOOL_SIZE=%s, four by default', (size, expected) => {
    vi.stubEnv('UV_THREADPOOL_SIZE', size);
    expect(defaultHashConcurrency(64)).toBe(expected);
  });
});
