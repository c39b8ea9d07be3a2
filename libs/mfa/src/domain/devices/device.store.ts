import type { TrustedDevice } from './device.js';

/** What a newly trusted device leaves of the others. */
export interface DeviceTrim {
  /** How many devices of the user may remain, the new one included. At least 1. */
  max: number;
  /** SHA-256 (hex) of the lookup id of the device that the new one replaces. */
  replacedLookupHash?: string | undefined;
  nowMs: number;
}

/** Storage port of trusted devices. Every method is one statement. Ids and hashes are compared exactly. */
// S110
export abstract class MfaDeviceStore {
  /** The device of this user with this lookup hash, whether or not it is still trusted. `null` = there is none. */
  abstract find(userId: string, lookupHash: string): Promise<TrustedDevice | null>;

  /** All devices of the user, expired ones too: the most recently used first, then by id. */
  abstract list(userId: string): Promise<TrustedDevice[]>;

  /** Stores a new device. Throws if one with this id, or one of this user with this lookup hash, exists. */
  abstract add(device: TrustedDevice): Promise<void>;

  /**
   * Removes what the new device makes superfluous. Call it after {@link add}. It removes the replaced device, expired
   * devices, those with a lower security stamp, and those with the same `keyId` and another credential version. Of the
   * remaining ones, the `max` most recently used stay; among those used at the same time, the newest, then the smallest ids.
   * A higher security stamp removes nothing: a parallel login has read a newer account. The new device goes too if the account
   * is gone, or has another security stamp than the device.
   */
  abstract trim(device: TrustedDevice, trim: DeviceTrim): Promise<void>;

  /**
   * Makes the secret with the hash `nextHash` the current one, and the current one the previous. Returns `true` if this
   * call did it. `false` changes nothing: the secret is not `device.secretHash` any more, the device expired or was
   * removed, or the account is missing or has another security stamp than the device.
   */
  // S111, S112
  abstract rotate(device: TrustedDevice, nextHash: string, nowMs: number): Promise<boolean>;

  /**
   * Records a use of the device by its current or previous secret. The time of last use never goes back. Returns whether
   * the device is trusted: `false` if neither secret has this hash, the device expired or was removed, or the account is
   * missing or has another security stamp than the device.
   */
  // S111, S112
  abstract noteUse(device: TrustedDevice, secretHash: string, nowMs: number): Promise<boolean>;

  /** Removes one device of the user. Returns whether there was one. */
  abstract remove(userId: string, id: string): Promise<boolean>;

  /** Removes the device if its secret is still `device.secretHash`, so that a rotation in between wins. */
  abstract removeWith(device: TrustedDevice): Promise<boolean>;

  /** Removes all devices of the user. Returns how many there were. */
  abstract removeAll(userId: string): Promise<number>;

  /** Removes up to `limit` devices that expired at `beforeMs` or earlier. Returns how many. */
  abstract purge(beforeMs: number, limit: number): Promise<number>;
}
