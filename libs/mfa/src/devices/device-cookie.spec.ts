import { beforeEach, describe, expect, it } from 'vitest';
import { FakeResponse, sentBack } from '../../../../test/support/in-memory-devices.js';
import { KEY } from '../../../../test/support/in-memory-mfa.js';
import { deviceCookieSuffix } from '../domain/devices/device-secret.js';
import type { MfaOptions } from '../options/mfa-options.js';
import { resolveOptions } from '../options/resolve-options.js';
import { DeviceCookie } from './device-cookie.js';
import type { DeviceExchange } from './device-exchange.js';

const NEW_KEY = { id: 'k2', secret: 'Zk3vR8nQ1tYw5xBc7dFg9hJk2mNp4qSt6uVw8yZa0bE=' };
const TOKEN = { lookupId: 'l'.repeat(22), secret: 's'.repeat(43) };
const VALUE = `${TOKEN.lookupId}.${TOKEN.secret}`;
const OTHER = { lookupId: 'o'.repeat(22), secret: 't'.repeat(43) };
const OTHER_VALUE = `${OTHER.lookupId}.${OTHER.secret}`;

function cookies(given: Partial<MfaOptions> = {}) {
  const options = resolveOptions({ issuer: 'Acme', keys: [KEY], trustedDevices: {}, ...given });
  const cookie = new DeviceCookie(options);
  const keyOf = (id: string) => options.keyRing.byId(id)!;
  const nameOf = (userId: string, id = 'k1') => `__Host-mfa-device-${deviceCookieSuffix(userId, keyOf(id))}`;
  return { cookie, keyOf, nameOf };
}

/** A request with this `Cookie` header. */
const from = (header: unknown, response: DeviceExchange['response'] = null): DeviceExchange => ({
  ...{ cookies: header, userAgent: '', response },
});

describe('the cookie of a trusted browser', () => {
  let response: FakeResponse;
  beforeEach(() => void (response = new FakeResponse()));

  it('S110 is a __Host- cookie of the user that scripts and other sites do not get', () => {
    const { cookie, keyOf, nameOf } = cookies();
    cookie.set(from(undefined, response), { userId: 'ann', key: keyOf('k1'), value: VALUE, maxAgeSeconds: 60 });
    expect(response.cookies).toEqual([`${nameOf('ann')}=${VALUE}; Max-Age=60; Path=/; HttpOnly; SameSite=Lax; Secure`]);
    expect(response.getHeader('Cache-Control')).toBe('no-store');
  });

  it('has neither prefix nor Secure where the option says so', () => {
    const trustedDevices = { cookie: { secure: false } };
    const { cookie, keyOf, nameOf } = cookies({ trustedDevices });
    cookie.set(from(undefined, response), { userId: 'ann', key: keyOf('k1'), value: VALUE, maxAgeSeconds: 60 });
    const name = nameOf('ann').replace('__Host-', '');
    expect(response.cookies).toEqual([`${name}=${VALUE}; Max-Age=60; Path=/; HttpOnly; SameSite=Lax`]);
    expect(cookie.read(from(`${name}=${VALUE}`), 'ann')).toEqual([TOKEN]);
    expect(cookie.read(from(`${nameOf('ann')}=${VALUE}`), 'ann')).toEqual([]);
  });

  it('S110 stays secure where devices are off', () => {
    const { cookie, keyOf, nameOf } = cookies({ trustedDevices: undefined });
    cookie.set(from(undefined, response), { userId: 'ann', key: keyOf('k1'), value: VALUE, maxAgeSeconds: 60 });
    expect(response.cookies[0]).toMatch(new RegExp(`^${nameOf('ann')}=.*; Secure$`));
  });

  it('S113 is read for its own user only', () => {
    const { cookie, nameOf } = cookies();
    const header = `a=1; ${nameOf('ann')}=${VALUE}; ${nameOf('bob')}=${OTHER_VALUE}`;
    expect(cookie.read(from(header), 'ann')).toEqual([TOKEN]);
    expect(cookie.read(from(header), 'bob')).toEqual([OTHER]);
    expect(cookie.read(from(header), 'Ann')).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['no header', undefined],
    ['null', null],
    ['a list', ['x']],
    ['a number', 7],
    ['an empty header', ''],
    ['other cookies', 'a=1; b=2'],
  ])('is not there in %s', (_, header) => {
    expect(cookies().cookie.read(from(header), 'ann')).toEqual([]);
  });

  it('is the first value that is a token', () => {
    const { cookie, nameOf } = cookies();
    const name = nameOf('ann');
    expect(cookie.read(from(`${name}=x; ${name}=; ${name}=${VALUE}; ${name}=${OTHER_VALUE}`), 'ann')).toEqual([TOKEN]);
    expect(cookie.read(from(`${name}=x`), 'ann')).toEqual([]);
  });

  it('is read under every key of the ring, under the newest first', () => {
    const { cookie, nameOf } = cookies({ keys: [NEW_KEY, KEY] });
    const [older, newer] = [`${nameOf('ann', 'k1')}=${OTHER_VALUE}`, `${nameOf('ann', 'k2')}=${VALUE}`];
    expect(cookie.read(from(older), 'ann')).toEqual([OTHER]);
    expect(cookie.read(from(`${older}; ${newer}`), 'ann')).toEqual([TOKEN, OTHER]);
    const { cookie: without } = cookies({ keys: [NEW_KEY] });
    expect(without.read(from(older), 'ann')).toEqual([]);
  });

  it('is cleared where the request sent it, under each key but the given one', () => {
    const { cookie, keyOf, nameOf } = cookies({ keys: [NEW_KEY, KEY] });
    const header = `${nameOf('ann', 'k1')}=x; ${nameOf('ann', 'k2')}=${VALUE}; ${nameOf('bob', 'k2')}=${VALUE}`;
    const cleared = (id: string) => `${nameOf('ann', id)}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure`;
    cookie.clear(from(header, response), 'ann');
    expect(response.cookies).toEqual([cleared('k2'), cleared('k1')]);
    response = new FakeResponse();
    cookie.clear(from(header, response), 'ann', keyOf('k2'));
    expect(response.cookies).toEqual([cleared('k1')]);
    response = new FakeResponse();
    cookie.clear(from(header, response), 'nobody');
    cookie.clear(from(undefined, response), 'ann');
    expect(response.headers.size).toBe(0);
  });

  it('is not set without a response, nor on one that refuses it', () => {
    const { cookie, keyOf } = cookies();
    const value = { userId: 'ann', key: keyOf('k1'), value: VALUE, maxAgeSeconds: 60 };
    const refusing = {
      getHeader: () => undefined,
      setHeader: () => {
        throw new Error('sent');
      },
    };
    expect([cookie.set(from(''), value), cookie.set(from('', refusing), value)]).toEqual([false, false]);
    expect(cookie.set(from('', response), value)).toBe(true);
  });

  it('comes back from a browser as it was set', () => {
    const { cookie, keyOf } = cookies();
    cookie.set(from(undefined, response), { userId: 'ann', key: keyOf('k1'), value: VALUE, maxAgeSeconds: 60 });
    expect(cookie.read(from(sentBack(response.cookies)), 'ann')).toEqual([TOKEN]);
  });
});
