import { afterEach, describe, expect, it, vi } from 'vitest';
import { resolveDevices } from './resolve-devices.js';

const DAY_MS = 86_400_000;
const resolved = (given: unknown) => resolveDevices(given as never);
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'MFA_MISCONFIGURED', message: expect.stringMatching(message) as string });

afterEach(() => vi.unstubAllEnvs());

describe('the option trustedDevices', () => {
  it.each([undefined, null])('is off when it is %j', (given) => {
    expect(resolved(given)).toBeNull();
  });

  it.each([{}, { lifetimeDays: null, max: null, cookie: null }, { cookie: {} }, { cookie: { secure: null } }])(
    'has the documented defaults as %j',
    (given) => {
      expect(resolved(given)).toEqual({ lifetimeMs: 30 * DAY_MS, max: 10, secure: true });
    },
  );

  it.each([
    [
      { lifetimeDays: 1, max: 1 },
      { lifetimeMs: DAY_MS, max: 1 },
    ],
    [
      { lifetimeDays: 365, max: 50 },
      { lifetimeMs: 365 * DAY_MS, max: 50 },
    ],
  ])('accepts %j', (given, expected) => {
    expect(resolved(given)).toMatchObject(expected);
  });

  it.each([0, 366, -1, 1.5, Number.NaN, Infinity, '30', [], {}])('refuses lifetimeDays of %j', (lifetimeDays) => {
    expect(() => resolved({ lifetimeDays })).toThrow(refusal(/option `trustedDevices\.lifetimeDays`/));
  });

  it.each([0, 51, -1, 1.5, Number.NaN, '10', true])('refuses max of %j', (max) => {
    expect(() => resolved({ max })).toThrow(refusal(/option `trustedDevices\.max`/));
  });

  it.each([
    [true, /option `trustedDevices`/],
    ['on', /option `trustedDevices`/],
    [30, /option `trustedDevices`/],
    [[], /option `trustedDevices`/],
    [{ cookie: false }, /option `trustedDevices\.cookie`/],
    [{ cookie: 'x' }, /option `trustedDevices\.cookie`/],
    [{ cookie: { secure: 'no' } }, /option `trustedDevices\.cookie\.secure`/],
    [{ cookie: { secure: 0 } }, /option `trustedDevices\.cookie\.secure`/],
  ])('refuses %j by its name', (given, message) => {
    expect(() => resolved(given)).toThrow(refusal(message));
  });

  it('S110 takes a cookie without Secure in development only', () => {
    const given = { cookie: { secure: false } };
    for (const environment of ['development', 'test', undefined]) {
      vi.stubEnv('NODE_ENV', environment);
      expect(resolved(given)).toMatchObject({ secure: false });
    }
    vi.stubEnv('NODE_ENV', 'production');
    expect(() => resolved(given)).toThrow(
      refusal(/option `trustedDevices\.cookie\.secure: false` is for development over http.*leave it out/),
    );
    expect(resolved({})).toMatchObject({ secure: true });
  });
});
