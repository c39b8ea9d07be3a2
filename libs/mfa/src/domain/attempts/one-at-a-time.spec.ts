import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { OneAtATime } from './one-at-a-time.js';

describe('OneAtATime', () => {
  it('runs work of one key in turn, also after a failure, and of other keys beside it', async () => {
    const turns = new OneAtATime();
    const log: string[] = [];
    const work =
      (name: string, fails = false) =>
      async () => {
        log.push(`${name} begins`);
        await setImmediate();
        log.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      };
    const first = turns.run('a', work('first', true));
    const second = turns.run('a', work('second'));
    const other = turns.run('b', work('other'));
    await expect(first).rejects.toThrow('first');
    await expect(Promise.all([second, other])).resolves.toEqual(['second', 'other']);
    expect(log.indexOf('second begins')).toBeGreaterThan(log.indexOf('first ends'));
    expect(log.indexOf('other begins')).toBeLessThan(log.indexOf('first ends'));
  });
});
