import type { TrustedDevice } from '../domain/devices/device.js';
import type { MfaEventDevice } from '../host/mfa-event.js';
import type { MfaMethod } from '../host/mfa-method.js';

/** A trusted device, as its owner sees it. */
export interface MfaDeviceView {
  id: string;
  /** The user agent of the request in which it was trusted; may be empty. */
  label: string;
  /** The method of the proof by which it was trusted. */
  method: MfaMethod;
  createdAt: Date;
  lastUsedAt: Date;
  /** From then its logins require a second factor again. */
  expiresAt: Date;
  /** Whether the request came from this browser. `false` for apps, which send their token only at a login. */
  current: boolean;
}

export function deviceView(device: TrustedDevice, current: boolean): MfaDeviceView {
  const { id, label, method, createdAtMs, lastUsedAtMs, expiresAtMs } = device;
  const times = { createdAt: new Date(createdAtMs), lastUsedAt: new Date(lastUsedAtMs) };
  return { id, label, method, ...times, expiresAt: new Date(expiresAtMs), current };
}

/** The device in the form that events use. */
export function eventDevice({ id, label, createdAtMs }: TrustedDevice): MfaEventDevice {
  return { id, label, createdAt: new Date(createdAtMs) };
}
