import { describe, expect, it } from 'vitest';
import { commonPath } from './mounted-routes.js';

describe('commonPath', () => {
  it.each([
    [['/api/mfa/status', '/api/mfa/totp/setup'], '/api/mfa'],
    [['/mfa/authenticators/:id', '/mfa/authenticators/:id/remove'], '/mfa/authenticators'],
    [['/t/:tenant/mfa/status', '/t/:tenant/mfa/verify'], '/t'],
    [['/mfa/verify', '/api/mfa/status'], '/'],
    [['/mfaverify', '/mfa/status'], '/'],
    [['/v(1|2)/mfa/status'], '/'],
    [['/{:lang}/mfa/status'], '/'],
    [['/*/mfa'], '/'],
    [['/größe/a b;c/status', '/größe/a b;c/verify'], '/gr%C3%B6%C3%9Fe/a%20b%3Bc'],
    [[], '/'],
  ])('S73 of %j is %s', (paths, path) => {
    expect(commonPath(paths)).toBe(path);
  });
});
