import type { TrustedDevice } from '../../libs/mfa/src/domain/devices/device.js';
import { type DeviceTrim, MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import { InMemoryMfaState, isExpired, removeWhere, updateWhere } from './in-memory-state.js';

/** {@link MfaDeviceStore} in memory. Every method acts in one turn of the event loop, so it is atomic. */
export class InMemoryDeviceStore extends MfaDeviceStore {
  constructor(private readonly state = new InMemoryMfaState()) {
    super();
  }

  override async find(userId: string, lookupHash: string): Promise<TrustedDevice | null> {
    return this.devicesOf(userId).find((row) => row.lookupHash === lookupHash) ?? null;
  }

  override async list(userId: string): Promise<TrustedDevice[]> {
    return this.devicesOf(userId);
  }

  override async add(device: TrustedDevice): Promise<void> {
    const { id, userId, lookupHash } = device;
    const taken = this.devicesOf(userId).some((row) => row.lookupHash === lookupHash);
    if (taken || this.state.devices.has(id)) throw new Error('A device of this id or lookup hash exists');
    this.state.devices.set(id, { ...device });
  }

  override async trim(device: TrustedDevice, { max, replacedLookupHash, nowMs }: DeviceTrim): Promise<void> {
    const all = this.devicesOf(device.userId).toSorted(
      (a, b) => b.lastUsedAtMs - a.lastUsedAtMs || b.createdAtMs - a.createdAtMs,
    );
    const isDead = (row: TrustedDevice) =>
      row.lookupHash === replacedLookupHash ||
      row.expiresAtMs <= nowMs ||
      row.securityStamp < device.securityStamp ||
      (row.keyId === device.keyId && row.credentialVersion !== device.credentialVersion);
    const kept = all.filter((row) => !isDead(row)).slice(0, max);
    const hasAccount = this.state.accounts.get(device.userId)?.securityStamp === device.securityStamp;
    all
      .filter((row) => !kept.includes(row) || (row.id === device.id && !hasAccount))
      .forEach(({ id }) => this.state.devices.delete(id));
  }

  override async rotate(device: TrustedDevice, nextHash: string, nowMs: number): Promise<boolean> {
    return this.update(
      (row) => this.isTrusted(row, device, nowMs) && row.secretHash === device.secretHash,
      (row) => ({ previousHash: row.secretHash, secretHash: nextHash, rotatedAtMs: nowMs, lastUsedAtMs: nowMs }),
    );
  }

  override async noteUse(device: TrustedDevice, secretHash: string, nowMs: number): Promise<boolean> {
    return this.update(
      (row) => this.isTrusted(row, device, nowMs) && [row.secretHash, row.previousHash].includes(secretHash),
      (row) => ({ lastUsedAtMs: Math.max(row.lastUsedAtMs, nowMs) }),
    );
  }

  override async remove(userId: string, id: string): Promise<boolean> {
    return this.removeWhere((row) => row.userId === userId && row.id === id) === 1;
  }

  override async removeWith({ id, userId, secretHash }: TrustedDevice): Promise<boolean> {
    return this.removeWhere((row) => row.id === id && row.userId === userId && row.secretHash === secretHash) === 1;
  }

  override async removeAll(userId: string): Promise<number> {
    return this.removeWhere((row) => row.userId === userId);
  }

  override async purge(beforeMs: number, limit: number): Promise<number> {
    const expired = [...this.state.devices.values()].filter((row) => isExpired(row, beforeMs));
    const doomed = expired.sort((a, b) => a.expiresAtMs - b.expiresAtMs).slice(0, limit);
    return this.removeWhere((row) => doomed.includes(row));
  }

  /** The most recently used first, then by id. */
  private devicesOf(userId: string): TrustedDevice[] {
    return [...this.state.devices.values()]
      .filter((row) => row.userId === userId)
      .sort((a, b) => b.lastUsedAtMs - a.lastUsedAtMs || (a.id < b.id ? -1 : 1));
  }

  private isTrusted(row: TrustedDevice, { id, userId, securityStamp }: TrustedDevice, nowMs: number): boolean {
    const stamp = this.state.accounts.get(userId)?.securityStamp;
    return row.id === id && row.userId === userId && row.expiresAtMs > nowMs && stamp === securityStamp;
  }

  private update(
    matches: (row: TrustedDevice) => boolean,
    change: (row: TrustedDevice) => Partial<TrustedDevice>,
  ): boolean {
    return updateWhere(this.state.devices, matches, change) === 1;
  }

  private removeWhere(matches: (row: TrustedDevice) => boolean): number {
    return removeWhere(this.state.devices, matches);
  }
}
