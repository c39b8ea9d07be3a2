import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import type { AccountSnapshot } from '../domain/accounts/account.js';
import { MfaClock } from '../domain/clock.js';
import type { TrustedDevice } from '../domain/devices/device.js';
import {
  credentialVersionMac,
  deviceHash,
  deviceTokenText,
  isEarlierSecret,
  type DeviceToken,
  nextDeviceSecret,
  readDeviceToken,
} from '../domain/devices/device-secret.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { deviceExpiry, isLiveDevice, presentedSecret } from '../domain/devices/device-use.js';
import { isAllowed, type LoginRules } from '../domain/policy/policy.js';
import { isSame, type RingKey } from '../domain/secrets/key-ring.js';
import { MfaEvents } from '../events/mfa-events.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { DeviceCookie } from './device-cookie.js';
import { type DeviceExchange, exchangeOf } from './device-exchange.js';
import { eventDevice } from './device-view.js';

/** What a login presents to skip its second step. */
export interface PresentedDevices {
  userId: string;
  kind: TrustedDevice['kind'];
  /** One, or several where the keys changed. */
  tokens: readonly DeviceToken[];
  /** SHA-256 (hex) of the first lookup id, by which the device is read with the account. */
  lookupHash: string;
  /** Where the next secret of a browser is set. */
  exchange: DeviceExchange;
  /** When the login began, in epoch milliseconds. */
  startedAtMs: number;
}

/** One of the tokens that a login presents. */
type PresentedDevice = Omit<PresentedDevices, 'tokens' | 'lookupHash'> & DeviceToken;

/** The login for which a device is presented. */
export interface TrustedLogin {
  account: AccountSnapshot['account'];
  rules: LoginRules;
  /** `null` = the user has no password. */
  credentialVersion: string | null;
  context?: ExecutionContext | undefined;
}

/** A device whose row was found, and whose key is in the ring. */
interface KnownDevice {
  device: TrustedDevice;
  key: RingKey;
}

/** Lets a trusted device replace the second step of a login. */
// S110–S113
@Injectable()
export class TrustedLogins {
  constructor(
    private readonly devices: MfaDeviceStore,
    private readonly cookie: DeviceCookie,
    private readonly events: MfaEvents,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * What the login presents: the token of an app, else the cookies of a browser. `null` = nothing, or devices are off. A
   * cookie counts only with a response, because its use sets the next one.
   */
  // S113
  presented(userId: string, { device, deviceToken }: GivenDevice): PresentedDevices | null {
    if (!this.options.trustedDevices) return null;
    const token = readDeviceToken(deviceToken);
    const exchange = exchangeOf(device?.request, device?.response);
    const login = { userId, exchange, startedAtMs: this.clock.nowMs() };
    if (token) return toPresented({ ...login, kind: 'token' }, [token]);
    return exchange.response && toPresented({ ...login, kind: 'cookie' }, this.cookie.read(exchange, userId));
  }

  /**
   * Whether a device replaces the second step, and when its user proved a second factor. `null` = the login requires one.
   * One write if it is accepted.
   * @param found the device that was read for the first token
   */
  async accept(
    { tokens, ...presented }: PresentedDevices,
    found: TrustedDevice | null,
    login: TrustedLogin,
  ): Promise<{ mfaAt: Date } | null> {
    const { userId } = presented;
    for (const [index, token] of tokens.entries()) {
      const device = index === 0 ? found : await this.devices.find(userId, deviceHash(token.lookupId));
      const used = await this.use({ ...presented, ...token }, device, login);
      if (used === null) continue;
      this.events.emit({ type: 'mfa.device.used', userId, device: eventDevice(used) }, login.context);
      return { mfaAt: new Date(used.mfaAtMs) };
    }
    // No cookie is cleared: another tab may have received a new one under the same name.
    return null;
  }

  /** Uses the device. If another request changed it meanwhile, it is read once more. */
  // S112
  private async use(
    presented: PresentedDevice,
    found: TrustedDevice | null,
    login: TrustedLogin,
  ): Promise<TrustedDevice | null> {
    const first = await this.tryUse(presented, found, login);
    if (first !== 'overtaken' && first !== 'changed') return first;
    const now = await this.devices.find(presented.userId, deviceHash(presented.lookupId));
    const second = await this.tryUse(presented, now, login, { wasAccepted: first === 'overtaken' });
    return second === 'overtaken' || second === 'changed' ? null : second;
  }

  /**
   * Returns the device if this use is accepted. If another request changed the row since it
   * was read: `overtaken` where the secret was right, else `changed`.
   * @param wasAccepted whether the secret was the current or the previous one at an earlier read of this login
   */
  private async tryUse(
    presented: PresentedDevice,
    found: TrustedDevice | null,
    login: TrustedLogin,
    { wasAccepted = false } = {},
  ): Promise<TrustedDevice | 'overtaken' | 'changed' | null> {
    const known = found && this.trusted(presented, found, login);
    if (!known) return null;
    const { device } = known;
    const nowMs = this.clock.nowMs();
    const hash = deviceHash(presented.secret);
    const secret = presentedSecret(device, hash, nowMs);
    if (secret === 'current') return (await this.spend(presented, known, hash, nowMs)) ? device : 'overtaken';
    if (secret === 'previous') return (await this.repeat(presented, known, hash, nowMs)) ? device : 'overtaken';
    if (wasAccepted || (secret === 'foreign' && this.wasOvertaken(presented, known, nowMs))) {
      // The browser has received a later secret in another tab, so none is sent.
      return (await this.devices.noteUse(device, device.secretHash, nowMs)) === true ? device : null;
    }
    return (await this.end(device, secret, login)) ? null : 'changed';
  }

  /** Checks everything but the secret. */
  // S111, S113
  private trusted(
    { kind }: PresentedDevice,
    device: TrustedDevice,
    { account, rules, credentialVersion }: TrustedLogin,
  ): KnownDevice | null {
    const key = this.options.keyRing.byId(device.keyId);
    const { securityStamp } = account;
    const { lifetimeMs } = this.options.trustedDevices!;
    const isLive = isLiveDevice(device, { securityStamp, lifetimeMs }, this.clock.nowMs());
    if (!key || device.kind !== kind || !isLive) return null;
    if (rules.policy?.trustedDevices === false || !isAllowed(device.method, rules)) return null;
    const version = credentialVersionMac(account.userId, credentialVersion, key);
    return isSame(version, device.credentialVersion) ? { device, key } : null;
  }

  /** Uses the current secret. A browser receives the next one. `false` = another request changed the row first. */
  private async spend(presented: PresentedDevice, known: KnownDevice, hash: string, nowMs: number): Promise<boolean> {
    const { device, key } = known;
    if (device.kind === 'token') return (await this.devices.noteUse(device, hash, nowMs)) === true;
    const next = nextDeviceSecret(device.id, presented.secret, key);
    if ((await this.devices.rotate(device, deviceHash(next), nowMs)) !== true) return false;
    this.send(presented, known, next, nowMs);
    return true;
  }

  /** Uses the previous secret: another tab rotated it a moment ago. The browser receives the same next one. */
  private async repeat(presented: PresentedDevice, known: KnownDevice, hash: string, nowMs: number): Promise<boolean> {
    if ((await this.devices.noteUse(known.device, hash, nowMs)) !== true) return false;
    this.send(presented, known, nextDeviceSecret(known.device.id, presented.secret, known.key), nowMs);
    return true;
  }

  /**
   * Whether other tabs rotated the secret while this login waited for its first read. A rotation in the future was made under
   * another clock, so it does not count.
   */
  // S112
  private wasOvertaken({ secret, startedAtMs }: PresentedDevice, { device, key }: KnownDevice, nowMs: number): boolean {
    const rotatedAtMs = device.rotatedAtMs ?? 0;
    return startedAtMs < rotatedAtMs && rotatedAtMs <= nowMs && isEarlierSecret(device, secret, key);
  }

  /** Ends the device. `false` = another request rotated the secret or removed the device first. */
  private async end(device: TrustedDevice, presented: 'lost' | 'foreign', { context }: TrustedLogin): Promise<boolean> {
    const remove = async () => (await this.devices.removeWith(device)) === true;
    if (presented !== 'foreign') return remove();
    const { userId } = device;
    return this.events.aroundUrgent(
      { type: 'mfa.device.reused', userId, device: eventDevice(device) },
      remove,
      context,
    );
  }

  /** Sets the cookie with the next secret. If that fails, the browser keeps the previous one, and loses the device later. */
  private send(presented: PresentedDevice, { device, key }: KnownDevice, secret: string, nowMs: number): void {
    const { lookupId, userId, kind, exchange } = presented;
    if (kind === 'token') return;
    const expiresAtMs = deviceExpiry(device, this.options.trustedDevices!.lifetimeMs);
    const maxAgeSeconds = Math.floor((expiresAtMs - nowMs) / 1000);
    this.cookie.clear(exchange, userId, key);
    this.cookie.set(exchange, { userId, key, value: deviceTokenText({ lookupId, secret }), maxAgeSeconds });
  }
}

/** What a caller of `issue()` gives, unchecked. */
interface GivenDevice {
  device?: { request: unknown; response: unknown } | null | undefined;
  deviceToken?: unknown;
}

function toPresented(
  login: Omit<PresentedDevices, 'tokens' | 'lookupHash'>,
  tokens: readonly DeviceToken[],
): PresentedDevices | null {
  const [first] = tokens;
  return first ? { ...login, tokens, lookupHash: deviceHash(first.lookupId) } : null;
}
