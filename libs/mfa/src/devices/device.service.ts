import { type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import { MfaClock } from '../domain/clock.js';
import type { TrustedDevice } from '../domain/devices/device.js';
import { deviceHash } from '../domain/devices/device-secret.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { deviceExpiry, isLiveDevice } from '../domain/devices/device-use.js';
import { MfaError } from '../domain/mfa-error.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import { MfaEvents } from '../events/mfa-events.js';
import type { MfaPrincipal } from '../host/mfa-host.js';
import { sessionOf } from '../host/session-binding.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { DeviceCookie } from './device-cookie.js';
import { exchangeOfContext } from './device-exchange.js';
import { deviceView, eventDevice, type MfaDeviceView } from './device-view.js';

/** The devices that a user trusts. */
@Injectable()
@ThrowsMfaException()
export class MfaDeviceService {
  constructor(
    private readonly devices: MfaDeviceStore,
    private readonly accounts: MfaAccountStore,
    private readonly cookie: DeviceCookie,
    private readonly events: MfaEvents,
    private readonly clock: MfaClock,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Returns the trusted devices of the user, the most recently used first. A device that a change of the password ended is
   * among them until another device is trusted: only a login knows the version of the password. Two statements, no write.
   * @param context the request, by which `current` is found
   * @throws MfaException `MFA_BUSY`
   * @example
   * const devices = await this.devices.list(principal);
   * const others = devices.filter(({ current }) => !current);
   */
  async list(user: MfaPrincipal | string | number, context?: ExecutionContext): Promise<MfaDeviceView[]> {
    const { userId } = sessionOf(user);
    if (userId === null) return [];
    const securityStamp = await this.accounts.securityStampOf(userId);
    if (securityStamp === null) return [];
    const nowMs = this.clock.nowMs();
    const { keyRing, trustedDevices } = this.options;
    const lifetimeMs = trustedDevices?.lifetimeMs ?? Infinity;
    const live = (await this.devices.list(userId)).filter(
      (each) => isLiveDevice(each, { securityStamp, lifetimeMs }, nowMs) && keyRing.byId(each.keyId) !== null,
    );
    const current = this.currentOf(userId, context);
    return live.map((device) => {
      const expiresAtMs = deviceExpiry(device, lifetimeMs);
      return deviceView({ ...device, expiresAtMs }, device.lookupHash === current);
    });
  }

  /**
   * Ends the trust in one device. Its next login requires a second factor. Sessions that it opened stay.
   * @param id of {@link list}
   * @throws MfaException `MFA_DEVICE_NOT_FOUND`, also for a device of another user; `MFA_BUSY`
   */
  async revoke(user: MfaPrincipal | string | number, id: string, context?: ExecutionContext): Promise<void> {
    const { userId } = sessionOf(user);
    const device = userId === null ? undefined : (await this.devices.list(userId)).find((each) => each.id === id);
    if (!device) throw new MfaError('MFA_DEVICE_NOT_FOUND');
    const draft = { type: 'mfa.device.revoked', userId: device.userId, device: eventDevice(device) } as const;
    const isRemoved = await this.events.around(draft, () => this.devices.remove(device.userId, device.id), context);
    if (!isRemoved) throw new MfaError('MFA_DEVICE_NOT_FOUND');
    this.clearIfCurrent(device, context);
  }

  private clearIfCurrent({ userId, lookupHash }: TrustedDevice, context: ExecutionContext | undefined): void {
    if (lookupHash === this.currentOf(userId, context)) this.cookie.clear(exchangeOfContext(context), userId);
  }

  /** The lookup hash of the browser that sent the request. */
  private currentOf(userId: string, context: ExecutionContext | undefined): string | null {
    const [token] = this.cookie.read(exchangeOfContext(context), userId);
    return token ? deviceHash(token.lookupId) : null;
  }
}
