import type { ExecutionContext } from '@nestjs/common';
import type { TrustRequest } from '../../libs/mfa/src/devices/device-trust.js';
import { MfaDeviceService } from '../../libs/mfa/src/devices/device.service.js';
import { credentialVersionMac } from '../../libs/mfa/src/domain/devices/device-secret.js';
import type { MfaCookieResponse } from '../../libs/mfa/src/host/cookies.js';
import type { MfaOptions } from '../../libs/mfa/src/options/mfa-options.js';
import { inMemoryVerification } from './in-memory-verification.js';

/** A response of Express that keeps its headers. */
export class FakeResponse implements MfaCookieResponse {
  readonly headers = new Map<string, string | string[]>();
  getHeader = (name: string) => this.headers.get(name);
  setHeader = (name: string, value: string | string[]) => void this.headers.set(name, value);
  /** The `Set-Cookie` headers. */
  get cookies(): string[] {
    return [this.headers.get('Set-Cookie') ?? []].flat();
  }
}

/** An HTTP request of a browser with these cookies, as Nest passes it to guards. */
export function httpContext(
  cookie: string | undefined,
  response: unknown = new FakeResponse(),
  userAgent: unknown = 'Firefox',
): ExecutionContext {
  const http = { getRequest: () => ({ headers: { cookie, 'user-agent': userAgent } }), getResponse: () => response };
  return { getType: () => 'http', switchToHttp: () => http } as unknown as ExecutionContext;
}

/** The `Cookie` header of a browser that received these `Set-Cookie` headers. */
export const sentBack = (cookies: readonly string[]): string =>
  cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ');

/** The rooms of trusted devices over in-memory stores. `ann` has an authenticator app. */
export async function inMemoryDevices(given: Partial<MfaOptions> = {}) {
  const mfa = inMemoryVerification({ trustedDevices: {}, ...given });
  const { deviceTrust, devices, accounts, deviceCookie, events, clock, options } = mfa;
  const service = new MfaDeviceService(devices, accounts, deviceCookie, events, clock, options);
  const { authenticator: phone } = await mfa.enroll('ann');
  const { securityStamp } = (await accounts.load('ann'))!.account;
  const key = options.keyRing.newest;
  const credential = `${key.id}.${credentialVersionMac('ann', 'v1', key)}`;
  const request: TrustRequest = {
    ...{ kind: 'cookie', userId: 'ann', securityStamp, credential, method: 'totp', mfaAt: new Date(clock.nowMs()) },
    ...{ rules: { policy: null, firstFactor: undefined }, context: httpContext(undefined) },
  };

  /** Trusts a device of `ann` after a proof. Returns its row, its token and what its browser sends. */
  async function trust(changes: Partial<TrustRequest> = {}) {
    const response = new FakeResponse();
    const trusted = await deviceTrust.start({ ...request, context: httpContext(undefined, response), ...changes });
    if (!trusted) throw new Error('the device is not trusted');
    await deviceTrust.finish(trusted);
    return {
      ...trusted,
      text: `${trusted.token.lookupId}.${trusted.token.secret}`,
      cookie: sentBack(response.cookies),
    };
  }

  /** A login of `ann` by the first factor, from a browser with these cookies. */
  async function issue(cookie: string | undefined, rest: object = {}) {
    const response = new FakeResponse();
    const device = { request: { headers: { cookie } }, response };
    const result = await mfa.challenges.issue('ann', { credentialVersion: 'v1', device, ...rest } as never);
    return { result, isTrusted: !result.mfaRequired, cookies: response.cookies, next: sentBack(response.cookies) };
  }

  const stored = () => devices.list('ann');
  /** The events of devices, in order. */
  const told = () => mfa.told.map(({ type }) => type).filter((type) => type.startsWith('mfa.device'));
  return { ...mfa, service, phone, request, trust, issue, stored, deviceEvents: told };
}
