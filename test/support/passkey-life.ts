import { expect } from 'vitest';
import type { VirtualPasskeyAssertion, VirtualPasskeyRegistration } from 'nestjs-mfa/testing';
import { newKey, type PasskeyClient } from './passkey-client.js';

/** What of a passkey is stored and logged nowhere. Its id and its public key are stored. */
export interface PasskeyLife {
  challenges: string[];
  registrations: VirtualPasskeyRegistration[];
  assertions: VirtualPasskeyAssertion[];
  tokens: string[];
}

/** Registration, login, refusals and step-up; and one more registration, login and change under way. */
export async function liveByPasskey(user: PasskeyClient): Promise<PasskeyLife> {
  const life: PasskeyLife = { challenges: [], registrations: [], assertions: [], tokens: [] };
  const key = newKey();
  const register = async (proof: object | undefined, with_ = key) => {
    const { options } = (await user.setupPasskey(proof).expect(200)).body;
    life.challenges.push(options.challenge);
    life.registrations.push(with_.create(options));
    return life.registrations.at(-1);
  };
  const assertion = (options: { challenge: string }, faults?: object) => {
    life.challenges.push(options.challenge);
    life.assertions.push(key.get(options, faults));
    return life.assertions.at(-1);
  };
  const login = async (faults?: object) => {
    const { mfa_token, options } = await user.startPasskeyLogin();
    life.tokens.push(mfa_token);
    return user.verifyPasskey(mfa_token, assertion(options, faults));
  };
  const prove = async (purpose: 'step-up' | 'change') =>
    assertion((await user.post('/mfa/passkeys/options', { purpose }).expect(200)).body.options);

  await user.confirmPasskey(await register(undefined)).expect(200);
  expect((await login()).status).toBe(200);
  for (const faults of [{ badSignature: true }, { counter: 1 }]) expect((await login(faults)).status).toBe(401);
  await user.post('/mfa/step-up', { passkey: await prove('step-up') }).expect(200);
  await register({ passkey: await prove('change') }, newKey());
  await prove('change');
  life.tokens.push((await user.startPasskeyLogin()).mfa_token);
  return life;
}

/** Every spelling in which a challenge, a part of a response or an mfa_token could lie about. */
export function spellingsOfPasskey({
  challenges,
  registrations,
  assertions,
  tokens,
}: PasskeyLife): (string | Buffer)[] {
  const bytes = challenges.map((challenge) => Buffer.from(challenge, 'base64url'));
  const texts = bytes.flatMap((each) => [each.toString('hex'), each.toString('base64')]);
  const registered = registrations.flatMap(({ response }) => [response.clientDataJSON, response.attestationObject]);
  const asserted = assertions.flatMap(({ response: { clientDataJSON, authenticatorData, signature } }) => [
    ...[clientDataJSON, authenticatorData, signature],
  ]);
  return [...challenges, ...bytes, ...texts, ...registered, ...asserted, ...tokens];
}
