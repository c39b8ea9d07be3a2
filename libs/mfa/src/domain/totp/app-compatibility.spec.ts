import { describe, expect, it } from 'vitest';
import { appWarnings, issuerFits } from './app-compatibility.js';

const SIX = { algorithm: 'SHA1', digits: 6, periodSeconds: 30 } as const;

describe('issuerFits', () => {
  it.each(['A', 'x'.repeat(64), '李'.repeat(20), 'Ж'.repeat(50)])('S20 accepts %j', (issuer) => {
    expect(issuerFits(issuer, SIX)).toBe(true);
  });

  it.each(['李'.repeat(64), '😀'.repeat(64), 'Ж'.repeat(64)])('S20 refuses %j, with which setups are 400', (issuer) => {
    expect(issuerFits(issuer, SIX)).toBe(false);
  });
});

describe('appWarnings', () => {
  it.each([6, 8])('is empty for %i digits and a plain issuer', (digits) => {
    expect(appWarnings({ issuer: 'Acme Bank 24 – Žofie 李', digits })).toEqual([]);
  });

  it('S75 names the option where seven digits are set', () => {
    expect(appWarnings({ issuer: 'Acme', digits: 7 })).toEqual([expect.stringMatching(/`totp\.digits` is 7.*6 or 8/)]);
  });

  it.each(['&', '+', '?', '#'])('S75 names the option and the character where the issuer contains %s', (character) => {
    const warnings = appWarnings({ issuer: `A ${character} B`, digits: 6 });
    expect(warnings).toEqual([expect.stringContaining(`Option \`issuer\` contains "${character}".`)]);
  });
});
