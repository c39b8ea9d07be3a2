import { createHash } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AccountSnapshot, VerificationSnapshot } from '../domain/accounts/account.js';
import type { FactorState, PreparationRequest } from '../domain/factors/factor.js';
import type { Proof } from '../domain/verification/proof.js';
import type { MfaFactor } from '../host/mfa-factor.js';
import { HostFactor } from './host-factor.js';
import { isFactorMatch, requireDistinctMethods, requireUsableFactor } from './host-factor-checks.js';

class CardFactor {
  readonly method: unknown = 'card';
  readonly budget: unknown = 'other';
  readonly unguessable: unknown = undefined;
  match: unknown = vi.fn<(...given: unknown[]) => unknown>();
  describe: unknown = vi.fn<(...given: unknown[]) => unknown>();
  forget: unknown = vi.fn<(...given: unknown[]) => unknown>();
}

const own = (changes: object = {}) => Object.assign(new CardFactor(), changes) as unknown as MfaFactor;
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'MFA_MISCONFIGURED', message: expect.stringMatching(message) as string }) as Error;

const ids = ['c-1', 'c-2'];
const snapshot = (known = ids, type = 'card') =>
  ({
    account: { userId: 'ann', activeFactors: [{ type: 'totp', id: 't-1' }, ...known.map((id) => ({ type, id }))] },
  }) as unknown as VerificationSnapshot;
const code = (method?: string): Proof => ({ kind: 'code', code: 'AB12', typed: 'ab-12', method });
const passkey = (method?: string): Proof => ({ kind: 'passkey', passkey: {}, method });
const state = (of = snapshot()) => ({ snapshot: of }) as FactorState;
const right = (changes: object = {}) => ({
  ...{ id: 'c-1', amr: ['otp'], spend: { item: 'Counter 7', expiresAt: null } },
  ...changes,
});

afterEach(() => vi.restoreAllMocks());

describe('a factor of the application at boot', () => {
  it.each(['a', 'card', 'a_card', 'abcdefghijkl'])('may have the method %s', (method) => {
    expect(() => requireUsableFactor(own({ method }))).not.toThrow();
  });

  it.each(['', 'abcdefghijklm', 'Card', 'card1', 'a card', ' card', 'card\n', 'a:b', 'a,b', 7, null, undefined, ['a']])(
    'S43 has a method of 1 to 12 characters, and not %j',
    (method) => {
      const problem = /factor CardFactor: `method` must have 1 to 12 characters of a-z and _$/;
      expect(() => requireUsableFactor(own({ method }))).toThrow(refusal(problem));
    },
  );

  it.each([
    ...['totp', 'backup_code', 'passkey', 'webauthn', 'email', 'sms', 'device', 'password'],
    ...['recovery_code', 'confirmation', 'token', 'import', 'other', 'code'],
  ])('S43 has no method of the module: %s', (method) => {
    const problem = new RegExp(`CardFactor: the method '${method}' belongs to the module\\. Choose another name`);
    expect(() => requireUsableFactor(own({ method }))).toThrow(refusal(problem));
  });

  it.each(['totp', 'none', 0, undefined, true])("S50 has the budget 'other' or null, and not %j", (budget) => {
    const problem = /CardFactor: `budget` must be 'other' or null/;
    expect(() => requireUsableFactor(own({ budget, unguessable: true }))).toThrow(refusal(problem));
  });

  it.each([undefined, false, 'true', 1])(
    'S50 confirms that its proofs cannot be guessed, and %j does not confirm it',
    (unguessable) => {
      const problem =
        /CardFactor: `budget: null` also needs `unguessable = true`, because its failed attempts are not counted\. Otherwise use `budget = 'other'`$/;
      expect(() => requireUsableFactor(own({ budget: null, unguessable }))).toThrow(refusal(problem));
      expect(() => requireUsableFactor(own({ unguessable }))).not.toThrow();
      expect(() => requireUsableFactor(own({ budget: null, unguessable: true }))).not.toThrow();
    },
  );

  it.each(['match', 'describe', 'forget'])('has the method %s()', (name) => {
    const problem = new RegExp(`CardFactor: the method \`${name}\\(\\)\` is missing\\. Extend MfaFactor`);
    expect(() => requireUsableFactor(own({ [name]: undefined }))).toThrow(refusal(problem));
  });

  it('is checked when it is adapted', () => {
    expect(() => new HostFactor(own({ method: 'totp' }))).toThrow(refusal(/belongs to the module/));
    const adapted = new HostFactor(own({ budget: null, unguessable: true }));
    expect(adapted).toMatchObject({
      method: 'card',
      budget: null,
      rows: 'none',
      enabled: true,
      protectsChanges: false,
    });
  });

  it('S43 has a method that no other one has', () => {
    class KeyFob extends CardFactor {}
    const [a, b] = [own(), own({ method: 'badge' })];
    expect(() => requireDistinctMethods([])).not.toThrow();
    expect(() => requireDistinctMethods([a, b])).not.toThrow();
    const same = new KeyFob() as unknown as MfaFactor;
    const problem = /factors CardFactor and KeyFob have the same method 'card'\. Give each one its own/;
    expect(() => requireDistinctMethods([b, a, same])).toThrow(refusal(problem));
  });
});

describe('what `match` returns', () => {
  it('S45 counts where it is complete and names a credential that counts', () => {
    expect(isFactorMatch(right(), ids)).toBe(true);
    expect(isFactorMatch(right({ amr: [] }), ids)).toBe(true);
    expect(isFactorMatch(right({ spend: { item: 'x', expiresAt: new Date(0) } }), ids)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['true', true],
    ['text', 'c-1'],
    ['no id', right({ id: undefined })],
    ['an id of another type', right({ id: ['c-1'] })],
    ['the id of another user', right({ id: 'c-3' })],
    ['no amr', right({ amr: undefined })],
    ['text as amr', right({ amr: 'otp' })],
    ['an amr with a number', right({ amr: ['otp', 7] })],
    ['nothing to spend', right({ spend: undefined })],
    ['null to spend', right({ spend: null })],
    ['text to spend', right({ spend: 'x' })],
    ['no item', right({ spend: { expiresAt: null } })],
    ['an item that is a number', right({ spend: { item: 7, expiresAt: null } })],
    ['an empty item', right({ spend: { item: '', expiresAt: null } })],
    ['no time', right({ spend: { item: 'x' } })],
    ['a time that is a number', right({ spend: { item: 'x', expiresAt: 7 } })],
    ['a time that is none', right({ spend: { item: 'x', expiresAt: new Date(NaN) } })],
    ['a look-alike of a time', right({ spend: { item: 'x', expiresAt: { getTime: () => 7 } } })],
  ])('S45 is refused with %s', async (_, found) => {
    expect(isFactorMatch(found, ids)).toBe(false);
    if (found === null) return;
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const adapted = new HostFactor(own({ match: () => found }));
    await expect(adapted.evaluate(code(), state())).resolves.toEqual({ match: null });
    // S64: nothing of the result is in the log.
    expect(error.mock.calls).toEqual([
      [
        'factor CardFactor: `match` returned neither null nor a complete match for one of `ids`, so the proof is ' +
          'refused. Return { id, amr, spend: { item, expiresAt } }',
      ],
    ]);
  });

  it('S45 is also refused with an id that is not a text, though the list has it', () => {
    expect(isFactorMatch(right({ id: 7 }), [7] as never)).toBe(false);
  });
});

describe('a proof for a factor of the application', () => {
  it('belongs to it where the request names its method', () => {
    const adapted = new HostFactor(own());
    expect(adapted.recognises(code('card'))).toEqual({ type: 'card' });
    expect(adapted.recognises(code())).toBeNull();
    expect(adapted.recognises(code('totp'))).toBeNull();
    expect(adapted.recognises(passkey('card'))).toBeNull();
  });

  it('S45 is not shown to the application where the user has no such credential, or it is not a code', async () => {
    const match = vi.fn<(...given: unknown[]) => unknown>(() => right());
    const adapted = new HostFactor(own({ match }));
    await expect(adapted.evaluate(code(), state(snapshot([])))).resolves.toEqual({ match: null });
    await expect(adapted.evaluate(code(), state(snapshot(ids, 'badge')))).resolves.toEqual({ match: null });
    await expect(adapted.evaluate(passkey('card'), state())).resolves.toEqual({ match: null });
    expect(match).not.toHaveBeenCalled();
  });

  it('is wrong where `match` returns null, and that is not logged', async () => {
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const match = vi.fn<(...given: unknown[]) => unknown>(() => null);
    await expect(new HostFactor(own({ match })).evaluate(code(), state())).resolves.toEqual({ match: null });
    expect(match).toHaveBeenCalledWith({ code: 'AB12', typed: 'ab-12' }, { userId: 'ann', ids });
    expect(error).not.toHaveBeenCalled();
  });

  it('S30 spends a hash of the credential and the item, in the case that they have', async () => {
    const spend = async (found: object) => {
      const { match } = await new HostFactor(own({ match: () => found })).evaluate(code(), state());
      return match!.entry;
    };
    const item = createHash('sha256').update('["c-1","Counter 7"]').digest('hex');
    await expect(spend(right())).resolves.toEqual({ kind: 'card', item, expiresAtMs: null });
    const others = [
      right({ id: 'c-2' }),
      right({ spend: { item: 'counter 7', expiresAt: null } }),
      right({ spend: { item: 'Counter 7 ', expiresAt: null } }),
    ];
    for (const other of others) expect((await spend(other)).item).not.toBe(item);
    const expiring = right({ spend: { item: 'x', expiresAt: new Date(5000) } });
    expect((await spend(expiring)).expiresAtMs).toBe(5000 + 10 * 60_000);
  });

  it('S87 never counts as a key, and adds mfa once', async () => {
    const amrOf = async (amr: string[]) => {
      const { match } = await new HostFactor(own({ match: () => right({ amr }) })).evaluate(code(), state());
      return match!.amr;
    };
    await expect(amrOf(['otp'])).resolves.toEqual(['otp', 'mfa']);
    await expect(amrOf(['hwk', 'swk', 'user', 'mfa', 'sms', 'sms'])).resolves.toEqual(['mfa', 'sms']);
    await expect(amrOf([])).resolves.toEqual(['mfa']);
  });

  it('is noted after it is spent, and an error of that is only logged', async () => {
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const used = vi.fn<(...given: unknown[]) => unknown>();
    const found = right();
    const evaluate = (changes: object) =>
      new HostFactor(own({ match: async () => found, ...changes })).evaluate(code(), state());
    const { match } = await evaluate({ used });
    expect(match).toMatchObject({ use: null, sealed: [] });
    expect(used).not.toHaveBeenCalled();
    await match!.noteUse!(7000);
    expect(used).toHaveBeenCalledExactlyOnceWith('ann', found, new Date(7000));
    await (
      await evaluate({})
    ).match!.noteUse!(7000);
    expect(error).not.toHaveBeenCalled();
    used.mockImplementation(() => {
      throw new Error('down');
    });
    await match!.noteUse!(7000);
    used.mockRejectedValue(new Error('down'));
    await match!.noteUse!(7000);
    expect(error).toHaveBeenCalledTimes(2);
  });

  it('is prepared by the application, if it wants to be', async () => {
    const context = { request: 1 };
    const request = { context } as unknown as PreparationRequest;
    const prepare = vi.fn<(...given: unknown[]) => unknown>(async () => ({ sentTo: '…7' }));
    await expect(new HostFactor(own({ prepare })).prepare(snapshot(), request)).resolves.toEqual({ sentTo: '…7' });
    expect(prepare).toHaveBeenCalledExactlyOnceWith({ userId: 'ann', ids }, context);
    await expect(new HostFactor(own()).prepare(snapshot(), request)).resolves.toBeNull();
    const nothing = own({ prepare: () => undefined });
    await expect(new HostFactor(nothing).prepare(snapshot(), request)).resolves.toBeNull();
  });
});

describe('the credentials of a factor of the application', () => {
  it('are listed with times, and without those that the account does not name', async () => {
    const known = [
      { id: 'c-1', name: 'Card', createdAt: new Date(1), lastUsedAt: new Date(2), secret: 'x' },
      { id: 'c-2', name: 'Spare', createdAt: new Date(3), lastUsedAt: null },
      { id: 'c-3', name: 'Foreign', createdAt: new Date(4), lastUsedAt: null },
    ];
    const list = vi.fn<(...given: unknown[]) => unknown>(async () => known);
    await expect(new HostFactor(own({ describe: list })).describe(snapshot())).resolves.toEqual([
      { id: 'c-1', name: 'Card', createdAtMs: 1, lastUsedAtMs: 2 },
      { id: 'c-2', name: 'Spare', createdAtMs: 3, lastUsedAtMs: null },
    ]);
    expect(list).toHaveBeenCalledExactlyOnceWith('ann', ids);
  });

  it('are not asked for where the user has none', async () => {
    const list = vi.fn<(...given: unknown[]) => unknown>(() => []);
    await expect(new HostFactor(own({ describe: list })).describe(snapshot([]))).resolves.toEqual([]);
    expect(list).not.toHaveBeenCalled();
  });

  it('are renamed by the application, if it can', async () => {
    const rename = vi.fn<(...given: unknown[]) => unknown>();
    await expect(new HostFactor(own({ rename })).rename('ann', 'c-1', 'New')).resolves.toBe(true);
    expect(rename).toHaveBeenCalledExactlyOnceWith('ann', 'c-1', 'New');
    await expect(new HostFactor(own()).rename('ann', 'c-1', 'New')).resolves.toBe(false);
  });

  it('are forgotten by name, all that the account names by default, and not at all where there are none', async () => {
    const forget = vi.fn<(...given: unknown[]) => unknown>();
    const adapted = new HostFactor(own({ forget }));
    await adapted.startGrace();
    await adapted.forget(snapshot() as AccountSnapshot, ['c-2']);
    await adapted.forget(snapshot());
    expect(forget.mock.calls).toEqual([
      ['ann', ['c-2']],
      ['ann', ids],
    ]);
    await adapted.forget(snapshot([]));
    await adapted.forget(snapshot(), []);
    expect(forget).toHaveBeenCalledTimes(2);
  });

  it('are all forgotten by a purge, which counts no rows of the module', async () => {
    const forget = vi.fn<(...given: unknown[]) => unknown>();
    await expect(new HostFactor(own({ forget })).purge('ann')).resolves.toBe(0);
    expect(forget).toHaveBeenCalledExactlyOnceWith('ann', null);
  });
});
