import { type ExecutionContext, Inject, Injectable, Logger } from '@nestjs/common';
import { MfaClock } from '../domain/clock.js';
import type { TrustedDevice } from '../domain/devices/device.js';
import { deviceHash, deviceTokenText, type DeviceToken, newDeviceToken } from '../domain/devices/device-secret.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import { type Factor, MFA_FACTORS } from '../domain/factors/factor.js';
import { errorName } from '../domain/mfa-error.js';
import { isAllowed, type LoginRules } from '../domain/policy/policy.js';
import { MfaRandom } from '../domain/random.js';
import { MfaEvents, type PreparedEvent } from '../events/mfa-events.js';
import { tidyUp } from '../events/tidy-up.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';
import { DeviceCookie } from './device-cookie.js';
import { type DeviceExchange, exchangeOfContext } from './device-exchange.js';
import { eventDevice } from './device-view.js';

const LONGEST_LABEL = 255;

/** A login that passed a second factor, and asks to trust the device. */
export interface TrustRequest {
  kind: TrustedDevice['kind'];
  userId: string;
  /** Of the account, under which the factor was proved. */
  securityStamp: number;
  /** The claim of the mfa_token: id of a key, and MAC of the version of the password. */
  credential: string | undefined;
  method: string;
  mfaAt: Date;
  rules: LoginRules;
  context: ExecutionContext | undefined;
}

/** A device that is stored and not yet handed over. */
export interface NewDevice {
  device: TrustedDevice;
  token: DeviceToken;
  exchange: DeviceExchange;
  /** It is delivered once the device is handed over. */
  event: PreparedEvent;
}

/** Trusts a device after a second factor was passed. The login goes on where that fails: the proof is spent. */
// S113, S121
@Injectable()
export class DeviceTrust {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly devices: MfaDeviceStore,
    private readonly cookie: DeviceCookie,
    private readonly events: MfaEvents,
    private readonly random: MfaRandom,
    private readonly clock: MfaClock,
    @Inject(MFA_FACTORS) private readonly factors: readonly Factor[],
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {}

  /**
   * Stores the device. `null` = it may not be trusted, or it could not be stored. One statement, after one for the audit
   * table. Never throws.
   */
  async start(request: TrustRequest): Promise<NewDevice | null> {
    try {
      return await this.store(request);
    } catch (error) {
      this.logger.error(`A device could not be trusted (${errorName(error)}). The login goes on without it`);
      return null;
    }
  }

  /**
   * Hands the device over, once its login has a session: sets the cookie of a browser; the token of an app is in the login.
   * It replaces the device of the same browser and those beyond the limit. One statement. Never throws.
   */
  async finish(trusted: NewDevice): Promise<void> {
    const { device, exchange, event } = trusted;
    const { userId, kind } = device;
    const replaced = kind === 'cookie' ? this.cookie.read(exchange, userId) : [];
    if (kind === 'cookie' && !this.setCookie(trusted)) return this.withdraw(trusted);
    this.events.finish(event);
    const { max } = this.options.trustedDevices!;
    const replacedLookupHash = replaced[0] && deviceHash(replaced[0].lookupId);
    await tidyUp(() => this.devices.trim(device, { max, replacedLookupHash, nowMs: device.createdAtMs }));
  }

  /** Removes a device whose login got no session, or whose cookie could not be set. Never throws. */
  async withdraw({ device }: NewDevice): Promise<void> {
    await tidyUp(() => this.devices.remove(device.userId, device.id));
  }

  private async store(request: TrustRequest): Promise<NewDevice | null> {
    const { trustedDevices, keyRing } = this.options;
    const [keyId = '', credentialVersion] = request.credential?.split('.') ?? [];
    const exchange = exchangeOfContext(request.context);
    const canReceive = request.kind === 'token' || exchange.response !== null;
    if (!trustedDevices || !credentialVersion || !keyRing.byId(keyId) || !canReceive) return null;
    if (!this.mayTrust(request)) return null;
    const { kind, userId, securityStamp, method, mfaAt } = request;
    const nowMs = this.clock.nowMs();
    const token = newDeviceToken(this.random);
    const device: TrustedDevice = {
      ...{ id: this.random.id(), userId, kind, keyId, securityStamp, credentialVersion, method },
      lookupHash: deviceHash(token.lookupId),
      secretHash: deviceHash(token.secret),
      ...{ previousHash: null, rotatedAtMs: null },
      label: labelOf(exchange.userAgent),
      ...{ createdAtMs: nowMs, lastUsedAtMs: nowMs, expiresAtMs: nowMs + trustedDevices.lifetimeMs },
      mfaAtMs: mfaAt.getTime(),
    };
    const draft = { type: 'mfa.device.trusted', userId, device: eventDevice(device) } as const;
    const event = await this.events.begin(draft, request.context);
    await this.devices.add(device);
    return { device, token, exchange, event };
  }

  private setCookie({ device, token, exchange }: NewDevice): boolean {
    const { userId, keyId, expiresAtMs, createdAtMs } = device;
    const key = this.options.keyRing.byId(keyId)!;
    const maxAgeSeconds = Math.floor((expiresAtMs - createdAtMs) / 1000);
    this.cookie.clear(exchange, userId, key);
    return this.cookie.set(exchange, { userId, key, value: deviceTokenText(token), maxAgeSeconds });
  }

  private mayTrust({ method, rules }: TrustRequest): boolean {
    if (rules.policy?.trustedDevices === false || !isAllowed(method, rules)) return false;
    return this.factors.find((factor) => factor.method === method)?.trustsDevices === true;
  }
}

/** The user agent without control characters, so that a list can show it. */
function labelOf(userAgent: string): string {
  return userAgent
    .replaceAll(/[\p{Cc}\p{Cs}]+/gu, ' ')
    .trim()
    .slice(0, LONGEST_LABEL);
}
