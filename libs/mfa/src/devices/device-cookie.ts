import { Inject, Injectable, Logger } from '@nestjs/common';
import { deviceCookieSuffix, type DeviceToken, readDeviceToken } from '../domain/devices/device-secret.js';
import { errorName } from '../domain/mfa-error.js';
import type { RingKey } from '../domain/secrets/key-ring.js';
import { appendCookie, cookieValues } from '../host/cookies.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { type DeviceExchange, isSent } from './device-exchange.js';

/** The cookie of one user's device. */
export interface DeviceCookieValue {
  userId: string;
  /** The key of the device. */
  key: RingKey;
  value: string;
  maxAgeSeconds: number;
}

/**
 * The cookie of a trusted browser, one for each user: `__Host-mfa-device-<MAC of the user id>`. Several users can trust one
 * browser. No method throws: the login does not depend on the cookie.
 */
// S110
@Injectable()
export class DeviceCookie {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(@Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions) {}

  /** The tokens of this user in the request, at most one for each key, the newest key first. */
  read({ cookies }: DeviceExchange, userId: string): DeviceToken[] {
    return this.keys.flatMap((key) => {
      const tokens = cookieValues(cookies, this.nameOf(userId, key)).map(readDeviceToken);
      return tokens.find((token) => token !== null) ?? [];
    });
  }

  /** Sets the cookie of a device. Returns whether that was possible. */
  set(exchange: DeviceExchange, { userId, key, value, maxAgeSeconds }: DeviceCookieValue): boolean {
    return this.append(exchange, this.nameOf(userId, key), value, maxAgeSeconds);
  }

  /** Clears the cookies of this user that the request sent, but not that of the key `except`. */
  clear(exchange: DeviceExchange, userId: string, except?: RingKey): void {
    for (const key of this.keys) {
      const name = this.nameOf(userId, key);
      if (key !== except && cookieValues(exchange.cookies, name).length > 0) this.append(exchange, name, '', 0);
    }
  }

  private get keys(): RingKey[] {
    const { keyRing } = this.options;
    return keyRing.ids.map((id) => keyRing.byId(id)!);
  }

  private nameOf(userId: string, key: RingKey): string {
    return `${this.isSecure ? '__Host-' : ''}mfa-device-${deviceCookieSuffix(userId, key)}`;
  }

  private get isSecure(): boolean {
    return this.options.trustedDevices?.secure ?? true;
  }

  private append({ response }: DeviceExchange, name: string, value: string, maxAgeSeconds: number): boolean {
    // The host may have sent it in the meantime. A Fastify reply takes headers even then.
    if (response === null || isSent(response)) return false;
    const cookie = [`${name}=${value}`, `Max-Age=${maxAgeSeconds}`, 'Path=/', 'HttpOnly', 'SameSite=Lax'];
    try {
      appendCookie(response, [...cookie, ...(this.isSecure ? ['Secure'] : [])].join('; '));
      return true;
    } catch (error) {
      this.logger.error(`The cookie of a trusted device could not be set: ${errorName(error)}`);
      return false;
    }
  }
}
