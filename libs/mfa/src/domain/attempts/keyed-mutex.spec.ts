import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { KeyedMutex } from './keyed-mutex.js';

/** Work that notes its beginning and its end. */
function logged(log: string[]) {
  return (name: string, fails = false) =>
    async () => {
      log.push(`${name} begins`);
      await setImmediate();
      log.push(`${name} ends`);
      if (fails) throw new Error(name);
      return name;
    };
}

describe('KeyedMutex', () => {
  it('runs work of one key in turn, also after a failure, and of other keys beside it', async () => {
    const turns = new KeyedMutex();
    const log: string[] = [];
    const work = logged(log);
    const first = turns.run('a', work('first', true));
    const second = turns.run('a', work('second'));
    const other = turns.run('b', work('other'));
    await expect(first).rejects.toThrow('first');
    await expect(Promise.all([second, other])).resolves.toEqual(['second', 'other']);
    expect(log.indexOf('second begins')).toBeGreaterThan(log.indexOf('first ends'));
    expect(log.indexOf('other begins')).toBeLessThan(log.indexOf('first ends'));
  });

  it('keeps those in turn who come when the first is done and the second is not', async () => {
    const turns = new KeyedMutex();
    const log: string[] = [];
    const work = logged(log);
    const first = turns.run('a', work('first'));
    const second = turns.run('a', work('second'));
    await first;
    await Promise.all([second, turns.run('a', work('third'))]);
    expect(log).toEqual(['first', 'second', 'third'].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });

  it('waits no longer than its patience for work that hangs', { timeout: 2_000 }, async () => {
    const turns = new KeyedMutex(20);
    void turns.run('a', () => new Promise(() => undefined));
    await expect(turns.run('a', async () => 'second')).resolves.toBe('second');
  });

  it('keeps nothing of a key whose work is done', async () => {
    const turns = new KeyedMutex();
    await Promise.all([turns.run('a', setImmediate), turns.run('a', setImmediate), turns.run('b', setImmediate)]);
    expect(turns).toMatchObject({ tails: new Map() });
  });
});
