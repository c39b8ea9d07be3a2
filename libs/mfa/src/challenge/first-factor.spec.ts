import { beforeEach, describe, expect, it } from 'vitest';
import { inMemoryMfa, KEY, type InMemoryMfa } from '../../../../test/support/in-memory-mfa.js';
import { LONGEST_STATE, type MfaIssueOptions, readFirstFactor } from './first-factor.js';
import { MfaChallenge } from './mfa-challenge.js';
import { LONGEST_TOKEN } from './mfa-token.js';

const NOTHING_REQUIRED = { accountName: false, credentialVersion: false };

let mfa: InMemoryMfa;
beforeEach(async () => {
  mfa = inMemoryMfa();
  await mfa.enroll('ann');
});

async function issue(options: MfaIssueOptions, userId = 'ann'): Promise<string> {
  const issued = await mfa.challenges.issue(userId, options);
  if (!issued.mfaRequired) throw new Error('no second step');
  return issued.mfa_token;
}

const claimsOf = (token: string) => MfaChallenge.claimsOf(mfa.tokens.read(token));
const stateIn = (token: string) => mfa.tokens.loginOf(claimsOf(token)).state;
const payloadOf = (token: string) => Buffer.from(token.split('.')[1]!, 'base64url').toString();

describe('the state of a login', () => {
  it.each<[string, unknown]>([
    ['an object', { rememberMe: true, returnTo: '/a?b=c', tenant: 7 }],
    ['an object with a key that JavaScript treats as special', JSON.parse('{"__proto__":{"admin":true}}')],
    ['text in several scripts', '日本語 Ä 🗝️'],
    ['a lone surrogate', '\uD800'],
    ['a number', 0],
    ['false', false],
    ['an empty string', ''],
    ['a list', [1, null, 'x']],
  ])('comes back as it was given: %s', async (_, state) => {
    expect(JSON.stringify(stateIn(await issue({ state })))).toBe(JSON.stringify(state));
  });

  it.each([null, undefined])('is left out as %s', async (state) => {
    expect(stateIn(await issue({ state }))).toBeUndefined();
  });

  it('S1 is not readable in the token, and differs in every token', async () => {
    const [first, second] = [await issue({ state: 'tenant-of-ann' }), await issue({ state: 'tenant-of-ann' })];
    expect(payloadOf(first)).not.toContain('tenant-of-ann');
    expect(payloadOf(first)).not.toContain(Buffer.from('"tenant-of-ann"').toString('base64url').slice(0, 12));
    expect(JSON.parse(payloadOf(first)).state).not.toBe(JSON.parse(payloadOf(second)).state);
  });

  it('S2 opens in the token that it was sealed for, and in no other', async () => {
    const [ann, other] = [claimsOf(await issue({ state: 'a' })), claimsOf(await issue({ state: 'b' }))];
    for (const claims of [
      { ...ann, tokenId: other.tokenId },
      { ...ann, userId: 'bob' },
      { ...other, state: ann.state },
    ]) {
      expect(() => mfa.tokens.loginOf(claims)).toThrow(
        expect.objectContaining({ code: 'MFA_TOKEN_INVALID', cause: expect.any(Error) as Error }),
      );
    }
  });

  it.each([
    ['ASCII', (bytes: number) => 'x'.repeat(bytes - 2)],
    ['two bytes a character', (bytes: number) => 'ä'.repeat((bytes - 2) / 2)],
    ['three bytes a character', (bytes: number) => `${'語'.repeat((bytes - 4) / 3)}xx`],
    ['four bytes a character', (bytes: number) => `${'🗝'.repeat((bytes - 4) / 4)}xx`],
  ])('may have 1024 bytes of JSON, and not one more: %s', async (_, textOf) => {
    const state = textOf(LONGEST_STATE);
    expect(Buffer.byteLength(JSON.stringify(state))).toBe(1024);
    expect(stateIn(await issue({ state }))).toBe(state);
    await expect(mfa.challenges.issue('ann', { state: `${state}x` })).rejects.toThrow(
      /option `state` must be JSON of at most 1024 bytes/,
    );
  });

  it.each<[string, unknown]>([
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a bigint', 1n],
    ['a circle', circle()],
    [
      'what throws when it is read',
      {
        toJSON: () => {
          throw new Error('no');
        },
      },
    ],
  ])('is a TypeError that names it as %s, with and without a second step', async (_, state) => {
    for (const userId of ['ann', 'nobody']) {
      const answer = mfa.challenges.issue(userId, { state });
      await expect(answer).rejects.toThrow(TypeError);
      await expect(answer).rejects.toThrow(/MfaChallengeService.issue: option `state` must be JSON/);
    }
  });
});

it('keeps the error of a state that cannot be written as JSON', () => {
  expect(() => readFirstFactor({ state: 1n }, NOTHING_REQUIRED)).toThrow(
    expect.objectContaining({ cause: expect.any(TypeError) as TypeError }),
  );
});

function circle(): object {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

describe('the amr of the first factor', () => {
  it('is signed into the token, once for each value', async () => {
    expect(claimsOf(await issue({ amr: ['pwd', 'hwk', 'pwd'] })).amr).toEqual(['pwd', 'hwk']);
    const most = Array.from({ length: 16 }, (_, n) => `m${n}`);
    expect(claimsOf(await issue({ amr: most })).amr).toEqual(most);
    for (const amr of [[], null, undefined]) expect(claimsOf(await issue({ amr })).amr).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['text', 'pwd'],
    ['an object', { 0: 'pwd' }],
    ['a list of numbers', [1]],
    ['a list with an empty string', ['']],
    ['a value with a space', ['p wd']],
    ['a value of 65 characters', ['x'.repeat(65)]],
    ['17 values', Array.from({ length: 17 }, (_, n) => `m${n}`)],
  ])('is a TypeError that names it as %s, with and without a second step', async (_, amr) => {
    for (const userId of ['ann', 'nobody']) {
      const answer = mfa.challenges.issue(userId, { amr: amr as string[] });
      await expect(answer).rejects.toThrow(TypeError);
      await expect(answer).rejects.toThrow(/option `amr` must be a list/);
    }
  });
});

describe('other options of issue()', () => {
  it.each(['accountName', 'issuer'] as const)(
    '%s is a TypeError that names it, unless it is a string',
    async (name) => {
      await expect(mfa.challenges.issue('ann', { [name]: 7 })).rejects.toThrow(
        new RegExp(`option \`${name}\` must be a string`),
      );
      await expect(issue({ [name]: 'Acme' })).resolves.toBeTypeOf('string');
      await expect(issue({ [name]: null })).resolves.toBeTypeOf('string');
    },
  );

  it.each<['accountName' | 'issuer', number]>([
    ['accountName', 255],
    ['issuer', 64],
  ])('%s has 1 to %d characters', async (name, longest) => {
    const text = 'x'.repeat(longest);
    expect(mfa.tokens.loginOf(claimsOf(await issue({ [name]: text })))).toStrictEqual({ [name]: text });
    for (const value of ['', `${text}x`, ['x']]) {
      await expect(mfa.challenges.issue('ann', { [name]: value })).rejects.toThrow(
        `option \`${name}\` must be a string of 1 to ${longest} characters`,
      );
    }
  });

  it('firstFactor is the name of a method', async () => {
    for (const firstFactor of ['email', 'x'.repeat(16)]) {
      expect(claimsOf(await issue({ firstFactor })).firstFactor).toBe(firstFactor);
    }
    for (const firstFactor of [null, undefined]) {
      expect(claimsOf(await issue({ firstFactor })).firstFactor).toBeUndefined();
    }
    for (const firstFactor of ['', 7, 'E-Mail', 'email 2', '2 email', 'x'.repeat(17), ['email']]) {
      await expect(mfa.challenges.issue('ann', { firstFactor } as never)).rejects.toThrow(
        'option `firstFactor` must be the name of a method, such as email',
      );
    }
  });

  it('are left out of a token where they are not given', async () => {
    expect(readFirstFactor({}, NOTHING_REQUIRED)).toStrictEqual({ amr: [] });
    expect(claimsOf(await issue({})).state).toBeUndefined();
  });

  it('names the new name of an old one', async () => {
    await expect(mfa.challenges.issue('ann', { response: {} } as never)).rejects.toThrow(
      /`response` is now called `cookie`/,
    );
  });
});

it('S40 the longest user id, account name, issuers, key id, amr and state fit into a token', () => {
  mfa = inMemoryMfa({ issuer: 'x'.repeat(64), keys: [{ ...KEY, id: 'k'.repeat(32) }] });
  // A control character takes six bytes in JSON.
  const userId = '\u0001'.repeat(255);
  const amr = Array.from({ length: 16 }, (_, n) => `${String.fromCharCode(97 + n)}${'x'.repeat(63)}`);
  const state = JSON.stringify('x'.repeat(LONGEST_STATE - 2));
  const names = { accountName: userId, issuer: userId.slice(0, 64), firstFactor: 'x'.repeat(16) };
  const first = { amr: [...amr, 'otp', 'user', 'mfa'], state, ...names };
  const enrollment = { reason: 'policy', policyId: '"'.repeat(64), proved: true } as const;
  const login = { userId, securityStamp: Number.MAX_SAFE_INTEGER, first };
  const longest = mfa.tokens.signEnrollment(login, enrollment);
  expect(longest.length).toBeLessThanOrEqual(LONGEST_TOKEN);
  expect(mfa.tokens.loginOf(mfa.tokens.readEnrollment(longest))).toMatchObject({
    accountName: names.accountName,
    state: JSON.parse(state) as string,
  });
  const token = mfa.tokens.sign(userId, Number.MAX_SAFE_INTEGER, { amr, state, ...names });
  expect(token.length).toBeLessThanOrEqual(LONGEST_TOKEN);
  expect(claimsOf(token)).toMatchObject({ userId, amr });
  expect(stateIn(token)).toBe(JSON.parse(state));
});

describe('the version of the password', () => {
  const REQUIRED = { ...NOTHING_REQUIRED, credentialVersion: true };
  const read = (credentialVersion?: unknown) => readFirstFactor({ credentialVersion } as MfaIssueOptions, REQUIRED);

  it.each(['v1', ' ', '0', '$argon2id$v=19$…', 'x'.repeat(10_000), null])('S111 is taken as %j', (version) => {
    expect(read(version)).toEqual({ amr: [], credentialVersion: version });
  });

  it.each<[string, unknown]>([
    ['left out', undefined],
    ['an empty text', ''],
    ['a number', 7],
    ['zero', 0],
    ['false', false],
    ['a date', new Date(0)],
    ['an object', {}],
    ['a list', ['v1']],
  ])('S111 is a TypeError that names it as %s', (_, version) => {
    expect(() => read(version)).toThrow(TypeError);
    expect(() => read(version)).toThrow(
      /option `credentialVersion` is required, because trusted devices end.*null for a user without a password$/,
    );
  });

  it.each([undefined, null, '', 'v1', 7, {}])('is ignored as %j where devices are off', (credentialVersion) => {
    const options = { credentialVersion } as MfaIssueOptions;
    expect(readFirstFactor(options, NOTHING_REQUIRED)).toStrictEqual({ amr: [] });
  });

  it('S111 is in the token of the login only as a MAC of the newest key, and only with devices', async () => {
    expect(claimsOf(await issue({ credentialVersion: 'v1' })).credential).toBeUndefined();
    mfa = inMemoryMfa({ trustedDevices: {} });
    await mfa.enroll('ann');
    const token = await issue({ credentialVersion: 'version-1' });
    expect(claimsOf(token).credential).toMatch(new RegExp(`^${KEY.id}\\.[\\w-]{43}$`));
    expect(payloadOf(token)).not.toContain('version-1');
    const others = [await issue({ credentialVersion: 'version-2' }), await issue({ credentialVersion: null })];
    const macs = [token, ...others].map((each) => claimsOf(each).credential);
    expect(new Set(macs).size).toBe(3);
    expect(claimsOf(await issue({ credentialVersion: 'version-1' })).credential).toBe(macs[0]);
  });
});
