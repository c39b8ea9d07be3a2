import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { InMemoryMfaState } from '../../../../../test/support/in-memory-state.js';
import { InMemorySealedValueStore } from '../../../../../test/support/in-memory-sealed-value-store.js';
import { SystemRandom } from '../random.js';
import { KeyRing, type MfaKey } from './key-ring.js';
import { KeyRotation } from './key-rotation.js';
import { SecretBox } from './secret-box.js';

const random = new SystemRandom();
const oldKey: MfaKey = { id: '2025', secret: randomBytes(32) };
const newKey: MfaKey = { id: '2026', secret: randomBytes(32) };

let state: InMemoryMfaState;
let values: InMemorySealedValueStore;
beforeEach(() => {
  state = new InMemoryMfaState();
  values = new InMemorySealedValueStore(state);
});

const boxOf = (...keys: MfaKey[]) => new SecretBox(new KeyRing(keys), random);
const rotationOf = (...keys: MfaKey[]) => new KeyRotation(values, boxOf(...keys), new KeyRing(keys));

/** `count` users with one authenticator and one backup code each. */
function store(count: number, box: SecretBox, prefix = 'a'): void {
  for (let index = 0; index < count; index += 1) {
    const id = `${prefix}${String(index).padStart(4, '0')}`;
    const userId = `user-${id}`;
    const row = { id, userId, expiresAtMs: null };
    const seal = (purpose: 'totp-secret' | 'backup-code') =>
      box.seal(Buffer.from(`secret of ${id}, 20 bytes`), { purpose, userId, credentialId: id });
    state.authenticators.set(id, { ...row, secret: seal('totp-secret') } as never);
    state.backupCodes.set(id, { ...row, setId: 's', hash: seal('backup-code'), usedAtMs: null });
  }
}

const damage = (id: string) => {
  const row = state.authenticators.get(id)!;
  state.authenticators.set(id, { ...row, secret: `${row.secret.slice(0, -2)}AA` });
};

const misconfigured = (message: RegExp) => ({
  code: 'MFA_MISCONFIGURED',
  message: expect.stringMatching(message) as string,
});

describe('KeyRotation', () => {
  it('S62 reports the rows of every key, whatever its role', async () => {
    store(3, boxOf(newKey), 'a');
    store(2, boxOf(oldKey), 'b');
    store(1, boxOf({ id: 'gone', secret: randomBytes(32) }), 'c');
    state.authenticators.set('d', { id: 'd', userId: 'd', secret: 'gAAAAABqwJ6w' } as never);
    const { keys, outdated, interrupted } = await rotationOf(newKey, oldKey).status();
    expect(keys).toEqual([
      { format: 'v1', keyId: '2026', role: 'writes', authenticators: 3, backupCodes: 3, unreadable: 0 },
      { format: 'v1', keyId: '2025', role: 'reads', authenticators: 2, backupCodes: 2, unreadable: 0 },
      { format: 'v1', keyId: 'gone', role: 'absent', authenticators: 1, backupCodes: 1, unreadable: 0 },
      { format: 'fernet', keyId: null, role: 'foreign', authenticators: 1, backupCodes: 0, unreadable: 0 },
    ]);
    expect({ outdated, interrupted }).toEqual({ outdated: 7, interrupted: false });
  });

  it('S62 brings every row under the newest key, and the old key is needed no more', async () => {
    store(25, boxOf(oldKey));
    store(1, boxOf(newKey), 'proof');
    const report = await rotationOf(newKey, oldKey).rotate({ batchSize: 4 });
    expect(report).toMatchObject({ outdated: 0, unreadable: 0 });
    expect(await rotationOf(newKey).verify()).toMatchObject({ outdated: 0, unreadable: 0 });
    const opened = boxOf(newKey).open(state.authenticators.get('a0007')!.secret, {
      purpose: 'totp-secret',
      userId: 'user-a0007',
      credentialId: 'a0007',
    });
    expect(opened.toString()).toBe('secret of a0007, 20 bytes');
  });

  it('S62 never overwrites what changed between reading and writing', async () => {
    store(2, boxOf(oldKey));
    store(1, boxOf(newKey), 'proof');
    const enrolledAnew = boxOf(newKey).seal(Buffer.from('another secret of 20'), {
      purpose: 'totp-secret',
      userId: 'user-a0001',
      credentialId: 'a0001',
    });
    const { replace } = values;
    vi.spyOn(values, 'replace').mockImplementationOnce(async (...given) => {
      state.authenticators.set('a0001', { ...state.authenticators.get('a0001')!, secret: enrolledAnew });
      return replace.apply(values, given);
    });
    expect(await rotationOf(newKey, oldKey).rotate()).toMatchObject({ outdated: 0 });
    expect(state.authenticators.get('a0001')!.secret).toBe(enrolledAnew);
  });

  it('S62 stops after the current batch when it is interrupted, and the next run goes on', async () => {
    store(10, boxOf(oldKey));
    store(1, boxOf(newKey), 'proof');
    const stop = new AbortController();
    let passes = 0;
    const report = await rotationOf(newKey, oldKey).rotate({
      batchSize: 3,
      signal: stop.signal,
      // The first pass opens everything; the second one, which writes, is interrupted.
      onProgress: (done, total) => {
        passes += Number(done === total);
        if (passes === 1 && done === 6) stop.abort();
      },
    });
    expect(report.interrupted).toBe(true);
    const halfWay = await rotationOf(newKey, oldKey).verify();
    expect(halfWay).toMatchObject({ outdated: 14, unreadable: 0 });
    expect(await rotationOf(newKey, oldKey).rotate()).toMatchObject({ outdated: 0, interrupted: false });
  });

  it('S62 goes round again for rows that an instance still on the old key writes meanwhile', async () => {
    store(4, boxOf(oldKey), 'm');
    store(1, boxOf(newKey), 'proof');
    const { replace } = values;
    vi.spyOn(values, 'replace').mockImplementationOnce(async (...given) => {
      store(1, boxOf(oldKey), 'behind-the-cursor');
      return replace.apply(values, given);
    });
    expect(await rotationOf(newKey, oldKey).rotate({ batchSize: 2 })).toMatchObject({ outdated: 0 });
  });

  it('S63 leaves a row whose key is not there as it is, names it, and rotates the rest', async () => {
    store(1, boxOf(newKey), 'proof');
    store(2, boxOf(oldKey), 'a');
    store(1, boxOf({ id: 'gone', secret: randomBytes(32) }), 'z');
    const before = state.authenticators.get('z0000')!.secret;
    const report = await rotationOf(newKey, oldKey).rotate();
    expect(report).toMatchObject({ outdated: 2, unreadable: 2 });
    expect(report.unreadableRows).toEqual([
      { purpose: 'totp-secret', rowId: 'z0000', reason: expect.stringContaining('"gone"') },
      { purpose: 'backup-code', rowId: 'z0000', reason: expect.stringContaining('"gone"') },
    ]);
    expect(state.authenticators.get('z0000')!.secret).toBe(before);
  });

  it('S63 rotates the rest when a row under the newest key is damaged, once it is told to', async () => {
    store(2, boxOf(newKey), 'proof');
    damage('proof0000');
    store(1, boxOf(oldKey), 'a');
    const rotation = rotationOf(newKey, oldKey);
    await expect(rotation.rotate()).rejects.toMatchObject(
      misconfigured(/1 of 4 rows of the newest key "2026" do not open/),
    );
    expect(await rotation.rotate({ allowUnprovenKey: true })).toMatchObject({ outdated: 0, unreadable: 1 });
  });

  it('refuses to write with a secret that is not the one of the newest key', async () => {
    store(1, boxOf(newKey), 'proof');
    store(1, boxOf(oldKey));
    const replace = vi.spyOn(values, 'replace');
    await expect(rotationOf({ id: '2026', secret: randomBytes(32) }, oldKey).rotate()).rejects.toMatchObject(
      misconfigured(/2 of 2 rows of the newest key "2026" do not open/),
    );
    expect(replace).not.toHaveBeenCalled();
  });

  it('refuses to write under a key that nothing proves, unless it is told to', async () => {
    store(1, boxOf(oldKey));
    const rotation = rotationOf(newKey, oldKey);
    await expect(rotation.rotate()).rejects.toMatchObject(misconfigured(/Deploy the key to the application first/));
    expect(await rotation.rotate({ allowUnprovenKey: true })).toMatchObject({ outdated: 0 });
  });

  it('writes nothing where there is nothing to do', async () => {
    store(3, boxOf(newKey));
    const replace = vi.spyOn(values, 'replace');
    expect(await rotationOf(newKey, oldKey).rotate()).toMatchObject({ outdated: 0, unreadable: 0 });
    expect(
      await new KeyRotation(new InMemorySealedValueStore(), boxOf(newKey), new KeyRing([newKey])).rotate(),
    ).toMatchObject({ outdated: 0 });
    expect(replace).not.toHaveBeenCalled();
  });

  it('lists at most a hundred unreadable rows, and counts them all', async () => {
    store(120, boxOf({ id: 'gone', secret: randomBytes(32) }));
    const report = await rotationOf(newKey).verify();
    expect(report.unreadable).toBe(240);
    expect(report.unreadableRows).toHaveLength(100);
  });

  it('S64 names no user and no secret in a report', async () => {
    store(1, boxOf({ id: 'gone', secret: randomBytes(32) }));
    const text = JSON.stringify(await rotationOf(newKey).verify());
    expect(text).not.toContain('user-');
    expect(text).not.toContain(state.authenticators.get('a0000')!.secret.slice(10));
  });

  it('S62 seals outdated rows only, and gives up after three passes over rows that do not change', async () => {
    store(2, boxOf(newKey), 'proof');
    store(2, boxOf(oldKey));
    const replace = vi.spyOn(values, 'replace').mockResolvedValue();
    expect(await rotationOf(newKey, oldKey).rotate()).toMatchObject({ outdated: 4 });
    expect(replace.mock.calls.map(([purpose, { length }]) => [purpose, length])).toEqual(
      [1, 2, 3].flatMap(() => [
        ['totp-secret', 2],
        ['backup-code', 2],
      ]),
    );
  });

  it('S62 writes nothing when it is interrupted before it has seen everything', async () => {
    store(2, boxOf(newKey), 'proof');
    store(2, boxOf(oldKey));
    const replace = vi.spyOn(values, 'replace');
    expect(await rotationOf(newKey, oldKey).rotate({ signal: AbortSignal.abort() })).toMatchObject({
      interrupted: true,
    });
    expect(replace).not.toHaveBeenCalled();
  });

  it('S63 writes nothing when all that is outdated does not open', async () => {
    store(2, boxOf(newKey), 'proof');
    store(2, boxOf({ id: 'gone', secret: randomBytes(32) }));
    const listAfter = vi.spyOn(values, 'listAfter');
    expect(await rotationOf(newKey, oldKey).rotate()).toMatchObject({ outdated: 4, unreadable: 4 });
    // One pass: two tables, each with a page and the end.
    expect(listAfter).toHaveBeenCalledTimes(4);
  });

  it('passes on every error that is not a refusal of the cipher', async () => {
    store(1, boxOf(newKey));
    const box = boxOf(newKey);
    vi.spyOn(box, 'open').mockImplementation(() => {
      throw new TypeError('a defect');
    });
    await expect(new KeyRotation(values, box, new KeyRing([newKey])).verify()).rejects.toThrow(TypeError);
  });

  it.each([1, 1000])('takes a batch of %i rows', async (batchSize) => {
    store(2, boxOf(newKey));
    expect(await rotationOf(newKey).status({ batchSize })).toMatchObject({ outdated: 0 });
  });

  it.each([0, 1001, 1.5, Number.NaN, '10'])('refuses a batch of %s rows', async (batchSize) => {
    await expect(rotationOf(newKey).status({ batchSize: batchSize as number })).rejects.toMatchObject({
      code: 'MFA_BAD_REQUEST',
      message: 'batchSize must be a whole number from 1 to 1000',
    });
  });
});
