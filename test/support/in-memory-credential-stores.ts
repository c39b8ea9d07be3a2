import type { Authenticator } from '../../libs/mfa/src/domain/authenticators/authenticator.js';
import type { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import type {
  CredentialRowsStore,
  ExpiredCredential,
} from '../../libs/mfa/src/domain/credentials/credential-rows.store.js';
import type { Passkey } from '../../libs/mfa/src/domain/passkeys/passkey.js';
import type { MfaPasskeyStore, PasskeyUse } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import { InMemoryMfaState, isExpired, removeWhere, updateWhere } from './in-memory-state.js';

type CredentialRow = Authenticator | Passkey;

/** {@link CredentialRowsStore} in memory. */
abstract class InMemoryCredentialRows<T extends CredentialRow> implements CredentialRowsStore {
  constructor(protected readonly rows: Map<string, T>) {}

  async rename(userId: string, id: string, name: string): Promise<void> {
    this.update(userId, [id], () => ({ name }) as Partial<T>);
  }

  async collectAfter(userId: string, ids: readonly string[], expiresAtMs: number | null): Promise<void> {
    this.update(userId, ids, () => ({ expiresAtMs }) as Partial<T>);
  }

  async remove(userId: string, ids: readonly string[]): Promise<void> {
    removeWhere(this.rows, (row) => row.userId === userId && ids.includes(row.id));
  }

  async removeExpired(userId: string, id: string, beforeMs: number): Promise<void> {
    removeWhere(this.rows, (row) => row.userId === userId && row.id === id && isExpired(row, beforeMs));
  }

  async removeAll(userId: string): Promise<number> {
    return removeWhere(this.rows, (row) => row.userId === userId);
  }

  async listExpired(beforeMs: number, limit: number): Promise<ExpiredCredential[]> {
    return [...this.rows.values()]
      .filter((row) => isExpired(row, beforeMs))
      .map(({ id, userId, expiresAtMs }) => ({ id, userId, expiresAtMs }))
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs)
      .slice(0, limit);
  }

  protected update(userId: string, ids: readonly string[], change: (row: T) => Partial<T>): number {
    return updateWhere(this.rows, (row) => row.userId === userId && ids.includes(row.id), change);
  }
}

/** {@link MfaAuthenticatorStore} in memory. */
export class InMemoryAuthenticatorStore extends InMemoryCredentialRows<Authenticator> implements MfaAuthenticatorStore {
  constructor(state = new InMemoryMfaState()) {
    super(state.authenticators);
  }

  override async removeAll(userId: string): Promise<number> {
    removeWhere(this.rows, (row) => row.userId === userId && row.confirmedAtMs === null);
    return super.removeAll(userId);
  }

  async add(authenticator: Authenticator): Promise<void> {
    if (this.rows.has(authenticator.id)) throw new Error('An authenticator of this id exists');
    this.rows.set(authenticator.id, { ...authenticator });
  }

  async confirm(
    { userId, id, expiresAtMs }: Pick<Authenticator, 'userId' | 'id' | 'expiresAtMs'>,
    atMs: number,
  ): Promise<void> {
    const current = this.rows.get(id)?.expiresAtMs === expiresAtMs;
    if (current) this.update(userId, [id], () => ({ confirmedAtMs: atMs, expiresAtMs: null }));
  }

  async touch(userId: string, id: string, atMs: number): Promise<void> {
    this.update(userId, [id], ({ lastUsedAtMs }) => ({ lastUsedAtMs: Math.max(lastUsedAtMs ?? atMs, atMs) }));
  }
}

/** {@link MfaPasskeyStore} in memory. */
export class InMemoryPasskeyStore extends InMemoryCredentialRows<Passkey> implements MfaPasskeyStore {
  constructor(state = new InMemoryMfaState()) {
    super(state.passkeys);
  }

  async add(passkey: Passkey): Promise<boolean> {
    const taken = [...this.rows.values()].some((row) => row.credentialHash === passkey.credentialHash);
    if (!taken) this.rows.set(passkey.id, { ...passkey });
    return !taken;
  }

  async findByHash(credentialHash: string): Promise<Passkey | null> {
    return [...this.rows.values()].find((row) => row.credentialHash === credentialHash) ?? null;
  }

  async list(userId: string): Promise<Passkey[]> {
    return [...this.rows.values()]
      .filter((row) => row.userId === userId)
      .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  async recordUse({ userId, id, counter, backedUp, userVerified, nowMs }: PasskeyUse): Promise<boolean> {
    if (counter.from !== null && this.rows.get(id)?.counter !== counter.from) return false;
    const used = this.update(userId, [id], (row) => ({
      counter: counter.to,
      backedUp,
      userVerified: row.userVerified || userVerified,
      lastUsedAtMs: Math.max(row.lastUsedAtMs ?? nowMs, nowMs),
    }));
    return used === 1;
  }
}
