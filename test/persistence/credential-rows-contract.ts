import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { CredentialRowsStore } from '../../libs/mfa/src/domain/credentials/credential-rows.store.js';

/** What the tests see of a credential. */
interface CredentialRow {
  id: string;
  userId: string;
  name: string;
  expiresAtMs: number | null;
}

/** A store of credentials, and how a test adds and reads its rows. */
export interface CredentialRows {
  rows(): CredentialRowsStore;
  userId(): string;
  /** Adds a confirmed row of the user, unless `rest` names another one. */
  add(rest?: { userId?: string; expiresAtMs?: number }): Promise<CredentialRow>;
  /** All rows of the user. */
  all(): Promise<readonly CredentialRow[]>;
}

const NOW = 1_800_000_000_000;

/** What the stores of authenticators and of passkeys do alike. */
export function credentialRowsContract({ rows, userId, add, all }: CredentialRows): void {
  it('removes all rows of one user, and returns how many were confirmed', async () => {
    await add();
    await add();
    await add({ userId: 'somebody else' });
    expect(await rows().removeAll(userId())).toBe(2);
    expect(await rows().removeAll(userId())).toBe(0);
    expect(await all()).toEqual([]);
    expect(await rows().removeAll('somebody else')).toBeGreaterThan(0);
  });

  it('renames for the owner only', async () => {
    const { id } = await add();
    await rows().rename(userId(), id, 'Laptop');
    await rows().rename('somebody else', id, 'Stolen');
    await rows().rename(userId(), randomUUID(), 'Missing');
    expect(await all()).toMatchObject([{ name: 'Laptop' }]);
  });

  it('S61 lists what expired, oldest first, up to the limit and to the millisecond', async () => {
    const [late, early, future] = [
      await add({ expiresAtMs: NOW }),
      await add({ expiresAtMs: NOW - 5 }),
      await add({ expiresAtMs: NOW + 1 }),
    ];
    await add();
    const listed = ({ id, expiresAtMs }: CredentialRow) => ({ id, userId: userId(), expiresAtMs });
    expect(await rows().listExpired(NOW, 10)).toEqual([listed(early), listed(late)]);
    expect(await rows().listExpired(NOW, 1)).toEqual([listed(early)]);
    await rows().collectAfter(userId(), [late.id, early.id], null);
    await rows().collectAfter(userId(), [future.id], NOW - 9);
    expect(await rows().listExpired(NOW, 10)).toMatchObject([{ id: future.id, expiresAtMs: NOW - 9 }]);
    await rows().removeAll(userId());
    expect(await all()).toEqual([]);
  });

  it('S61 removes an expired row, unless its expiry was moved or it is of another user', async () => {
    const [expired, moved] = [await add({ expiresAtMs: NOW }), await add({ expiresAtMs: NOW })];
    await rows().collectAfter(userId(), [moved.id], NOW + 1);
    await rows().removeExpired('somebody else', expired.id, NOW);
    await rows().removeExpired(userId(), expired.id, NOW - 1);
    expect(await all()).toHaveLength(2);
    for (const { id } of [expired, moved]) await rows().removeExpired(userId(), id, NOW);
    expect(await all()).toMatchObject([{ id: moved.id }]);
    await rows().removeAll(userId());
  });

  it('removes the named rows of this user only', async () => {
    const [kept, gone] = [await add(), await add()];
    await rows().remove(userId(), [gone.id]);
    await rows().remove(userId(), []);
    await rows().collectAfter(userId(), [], NOW);
    await rows().remove('somebody else', [kept.id]);
    expect(await all()).toEqual([kept]);
  });
}
