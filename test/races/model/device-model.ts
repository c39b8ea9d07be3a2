/** Most trusted devices of a user in the model. */
export const MOST_DEVICES = 3;
/** The lifetime of a trusted device in the model, in days. */
export const DEVICE_DAYS = 1;
const OVERLAP_SECONDS = 60;

export type DeviceKind = 'cookie' | 'token';

/** A device that was trusted once, and what it received. */
export interface Device {
  id: string;
  kind: DeviceKind;
  /** Cookies as `name=value`, or the token of an app. The newest first: that is the current one. */
  received: string[];
  rotatedAt: number;
  method: string;
  /** Of the password at its login. */
  version: string | null;
  mfaAt: number;
  createdAt: number;
  usedAt: number;
  expiresAt: number;
  /** A change of factors ended it. */
  dead: boolean;
  /** It is not stored any more. */
  gone: boolean;
}

/** A login that presents a device. */
export interface DeviceUse {
  device: Device;
  /** Which of the received secrets, counted from the newest. `null` = a secret that it never received. */
  secret: number | null;
  /** The cookie of a browser may be presented as the token of an app. */
  as: DeviceKind;
}

/** The rules of trusted devices once more, written independently of the library, in plain seconds. */
export class DeviceModel {
  readonly all: Device[] = [];
  /** Secrets that were neither the current nor the previous one of a live device. */
  alarms = 0;

  /** What the owner sees in the list. */
  live(now: number): Device[] {
    return this.all.filter((device) => isLive(device, now));
  }

  /** A login whose other facts allow the device or not. Returns whether it needs no second factor. */
  use({ device, secret, as }: DeviceUse, isAllowed: boolean, now: number): boolean {
    if (device.gone || !isLive(device, now) || !isAllowed || as !== device.kind) return false;
    if (secret === 0 || (secret === 1 && now - device.rotatedAt <= OVERLAP_SECONDS)) {
      device.usedAt = now;
      return true;
    }
    device.gone = true;
    // The previous one comes late where a response was lost.
    if (secret !== 1) this.alarms += 1;
    return false;
  }

  /** The new device replaces the one of its browser, those that a login would not accept, and those beyond the limit. */
  add(added: Device, replaced: Device | null, now: number): void {
    this.all.push(added);
    for (const each of this.all) {
      each.gone ||= each === replaced || !isLive(each, now) || each.version !== added.version;
    }
    const kept = this.live(now).toSorted(
      (a, b) => b.usedAt - a.usedAt || b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1),
    );
    for (const each of kept.slice(MOST_DEVICES)) each.gone = true;
  }

  /** A change of factors, or of the password as the administrator reports it. */
  end(): void {
    for (const device of this.all) device.dead = true;
  }

  remove(): void {
    for (const device of this.all) device.gone = true;
  }

  purge(before: number): void {
    for (const device of this.all) device.gone ||= device.expiresAt <= before;
  }
}

function isLive({ gone, dead, expiresAt }: Device, now: number): boolean {
  return !gone && !dead && now < expiresAt;
}
