import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { isMfaError } from '../../domain/mfa-error.js';
import type { MfaPasskeyAssertion, MfaPasskeyRegistration } from '../../domain/passkeys/passkey-json.js';
import { readAssertion, readRegistration } from './passkey-response.js';

const registration = () => ({
  id: 'aWQ',
  rawId: 'aWQ',
  type: 'public-key',
  response: { clientDataJSON: 'e30', attestationObject: 'oA', transports: ['usb', 'internal'] },
});
const assertion = () => ({
  id: 'aWQ',
  rawId: 'aWQ',
  type: 'public-key',
  response: { clientDataJSON: 'e30', authenticatorData: 'AA', signature: 'AA', userHandle: 'dQ' },
});

/** The field messages of a refusal. */
function problemsOf(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    if (isMfaError(error) && error.code === 'MFA_BAD_REQUEST') return [error.details.message ?? []].flat();
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('readRegistration and readAssertion', () => {
  it('copy the known fields and ignore the others', () => {
    const more = { clientExtensionResults: { credProps: {} }, authenticatorAttachment: 'platform', x: 1 };
    const extended = { ...registration(), ...more };
    Object.assign(extended.response, { publicKey: 'AA', publicKeyAlgorithm: -7 });
    expect(readRegistration(extended)).toEqual(registration());
    expect(readAssertion({ ...assertion(), ...more })).toEqual(assertion());
  });

  it('take the JSON types of SimpleWebAuthn, which the compiler checks', () => {
    expectTypeOf<RegistrationResponseJSON>().toExtend<MfaPasskeyRegistration>();
    expectTypeOf<AuthenticationResponseJSON>().toExtend<MfaPasskeyAssertion>();
  });

  it.each([undefined, null, ''])('take %j as a user handle that is left out', (userHandle) => {
    const given = { ...assertion(), response: { ...assertion().response, userHandle } };
    expect(readAssertion(given).response.userHandle).toBeUndefined();
  });

  it('S67 keep so many transports as their column holds, at their longest', () => {
    const transports = Array.from({ length: 16 }, (_, index) => `x${index}`.padEnd(15, 'y'));
    const read = (all: string[]) =>
      readRegistration({ ...registration(), response: { ...registration().response, transports: all } }).response;
    expect(read(transports).transports!.join(',')).toHaveLength(255);
    expect(read(['usb', 'x'.repeat(16)]).transports).toEqual(['usb']);
  });

  it('keep each transport once, unknown ones too, and drop what cannot be one', () => {
    const given = {
      ...registration().response,
      transports: ['usb', 'usb', 'smart-card', 'A', '', 'a,b', 'x'.repeat(99)],
    };
    const { response } = readRegistration({ ...registration(), response: given });
    expect(response.transports).toEqual(['usb', 'smart-card']);
    const without = { ...given, transports: null };
    expect(readRegistration({ ...registration(), response: without }).response.transports).toEqual([]);
  });

  it.each([undefined, null, 'text', 7, true, [], [registration()], () => registration()])(
    'S67 refuse %j, which is not an object, with 400',
    (value) => {
      const problems = ['passkey must be an object', 'passkey.response must be an object'];
      expect(problemsOf(() => readRegistration(value))).toEqual(problems);
      expect(problemsOf(() => readAssertion(value))).toEqual(problems);
    },
  );

  it.each(['id', 'rawId', 'type'])('S67 refuse a wrong type of %s and name the field', (name) => {
    for (const value of [undefined, null, '', 7, [], {}, ['a'], 'x'.repeat(1365)]) {
      const problems = problemsOf(() => readAssertion({ ...assertion(), [name]: value }));
      expect(problems).toEqual([
        expect.stringMatching(new RegExp(`^passkey\\.${name} must be a string of 1 to \\d+ char`)),
      ]);
    }
  });

  it.each(['clientDataJSON', 'authenticatorData', 'signature'])('S67 refuse a wrong type of response.%s', (name) => {
    for (const value of [undefined, null, '', 7, [], {}, 'x'.repeat(65_537)]) {
      const response = { ...assertion().response, [name]: value };
      const problems = problemsOf(() => readAssertion({ ...assertion(), response }));
      expect(problems).toEqual([`passkey.response.${name} must be a string of 1 to 65536 characters`]);
    }
  });

  it.each(['attestationObject', 'clientDataJSON'])('S67 refuse a registration without response.%s', (name) => {
    const response = { ...registration().response, [name]: undefined };
    expect(problemsOf(() => readRegistration({ ...registration(), response }))).toHaveLength(1);
  });

  it('S67 refuse a response without each of its required fields, and name the missing one', () => {
    for (const name of ['id', 'rawId', 'type']) {
      const given = assertion();
      Reflect.deleteProperty(given, name);
      expect(problemsOf(() => readAssertion(given))).toEqual([expect.stringContaining(`passkey.${name} must be a `)]);
    }
    for (const name of ['clientDataJSON', 'authenticatorData', 'signature']) {
      const given = assertion();
      Reflect.deleteProperty(given.response, name);
      const problem = `passkey.response.${name} must be a string of 1 to 65536 characters`;
      expect(problemsOf(() => readAssertion(given))).toEqual([problem]);
    }
    expect(problemsOf(() => readAssertion({}))).toHaveLength(4);
  });

  it('take fields of exactly the greatest length', () => {
    const id = 'x'.repeat(1364);
    const type = 'x'.repeat(64);
    expect(readAssertion({ ...assertion(), id, rawId: id, type })).toMatchObject({ id, rawId: id, type });
    const rest = 'aWQaWQpublic-keye30AAdQ'.length;
    const withSignature = (length: number) => ({
      ...assertion(),
      response: { ...assertion().response, signature: 'A'.repeat(length) },
    });
    expect(readAssertion(withSignature(65_536 - rest)).response.signature).toHaveLength(65_536 - rest);
    expect(problemsOf(() => readAssertion(withSignature(65_537 - rest)))).toEqual([
      'passkey must have at most 65536 characters',
    ]);
  });

  it.each([7, {}, ['a']])('S67 refuse %j as a user handle', (userHandle) => {
    const response = { ...assertion().response, userHandle };
    expect(problemsOf(() => readAssertion({ ...assertion(), response }))).toEqual([
      'passkey.response.userHandle must be a string of 1 to 65536 characters',
    ]);
  });

  it.each([
    { transports: 'usb' },
    { transports: { 0: 'usb' } },
    { transports: [7] },
    { transports: ['usb', null] },
    { transports: Array.from({ length: 17 }, () => 'usb') },
  ])('S67 refuse $transports as transports', ({ transports }) => {
    const given = { ...registration(), response: { ...registration().response, transports } };
    expect(problemsOf(() => readRegistration(given))).toEqual([
      'passkey.response.transports must be a list of at most 16 strings',
    ]);
  });

  it.each([undefined, null, 'x', 7, []])('S67 refuse %j as response, once', (response) => {
    expect(problemsOf(() => readAssertion({ ...assertion(), response }))).toEqual([
      'passkey.response must be an object',
    ]);
  });

  it('S67 refuse a response of more than 64 KiB in all', () => {
    const half = 'A'.repeat(33_000);
    const response = { ...assertion().response, signature: half, authenticatorData: half };
    expect(problemsOf(() => readAssertion({ ...assertion(), response }))).toEqual([
      'passkey must have at most 65536 characters',
    ]);
  });

  it('change no input, run no getter of it, and take nothing that is inherited', () => {
    const frozen = registration();
    Object.freeze(frozen.response.transports);
    Object.freeze(frozen.response);
    expect(readRegistration(Object.freeze(frozen))).toEqual(frozen);

    let ran = false;
    const getter = Object.defineProperty(assertion(), 'id', { get: () => (ran = true), enumerable: true });
    expect(problemsOf(() => readAssertion(getter))).toEqual([expect.stringContaining('passkey.id')]);
    expect(problemsOf(() => readAssertion(Object.create(assertion())))).not.toEqual([]);
    expect(ran).toBe(false);
  });

  it('S67 set no prototype by __proto__ in JSON', () => {
    const text = JSON.stringify(assertion()).replace('{', '{"__proto__":{"id":"x","polluted":1},');
    const read = readAssertion(JSON.parse(text));
    expect(read).toEqual(assertion());
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
  });

  it('S67 refuse an object that throws, such as a revoked proxy', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(problemsOf(() => readAssertion(proxy))).toEqual(['passkey must be an object']);
  });

  it('S67 throw nothing but MFA_BAD_REQUEST for any JSON', () => {
    const field = fc.oneof(fc.string({ maxLength: 40 }), fc.jsonValue({ maxDepth: 2 }), fc.constant(undefined));
    const names = ['id', 'rawId', 'type', 'response', 'clientDataJSON', 'attestationObject', 'signature', '__proto__'];
    const near = fc.dictionary(
      fc.constantFrom(...names),
      fc.oneof(field, fc.dictionary(fc.constantFrom(...names), field)),
    );
    fc.assert(
      fc.property(fc.oneof(near, fc.anything()), (value) => {
        for (const read of [readRegistration, readAssertion]) {
          try {
            read(value);
          } catch (error) {
            expect(error).toMatchObject({ code: 'MFA_BAD_REQUEST' });
          }
        }
      }),
      { seed: 82, numRuns: 2000 },
    );
  });
});
