import type fc from 'fast-check';
import {
  type MfaChallenge,
  type MfaChallengeResult,
  type MfaLogin,
  type MfaLoginProof,
  MfaPasskeyService,
  MfaVerificationService,
} from 'nestjs-mfa';
import { expect } from 'vitest';
import type { HostApp } from '../../support/host-app.js';
import { type FakeResponse, httpContext } from '../../support/in-memory-devices.js';
import type { Device, DeviceKind } from './device-model.js';
import type { Assertion, LoginToken, Model, Purpose, Token } from './flow-model.js';

/** How a login asks to trust its device. */
export interface Trust {
  kind: DeviceKind;
  /** The device whose browser it is. `null` = a new browser. */
  browser: Device | null;
  response: FakeResponse;
}

/** One user of the library. */
export class Real {
  readonly userId: string;
  /** Logins for which the host may open a session. */
  readonly logins: MfaLogin[] = [];
  /** What the second steps of logins ask. `null` = to trust no device. */
  trust: Trust | null = null;
  private readonly accepted = new Set<string>();
  constructor(
    readonly host: HostApp,
    name: number,
  ) {
    this.userId = `model-${name}`;
  }
  get = <T>(type: abstract new (...args: never[]) => T): T => this.host.app.get<T>(type as never, { strict: false });
  get principal() {
    return { userId: this.userId, accountName: 'model@example.test', sessionId: 'model' };
  }
  /** Another session of the same user. */
  get elsewhere() {
    return { ...this.principal, sessionId: 'elsewhere' };
  }
  /** The token of a login was accepted, once (S100). */
  accept(token: Token): void {
    expect(this.accepted.has(token.text)).toBe(false);
    this.accepted.add(token.text);
    token.dead = true;
  }
  /** The second step of a login. */
  verify(challenge: MfaChallenge | string, proof: MfaLoginProof): Promise<MfaChallengeResult> {
    const verification = this.get(MfaVerificationService);
    if (!this.trust) return verification.verify(challenge, proof);
    const { kind, browser, response } = this.trust;
    const rememberDevice = kind === 'cookie' ? true : kind;
    return verification.verify(challenge, { ...proof, rememberDevice }, httpContext(browser?.received[0], response));
  }
  get now() {
    return this.host.clock.nowMs() / 1000;
  }
  get step() {
    return Math.floor(this.now / 30);
  }
}

export type Command = fc.AsyncCommand<Model, Real>;

export abstract class Step implements Command {
  check(_model: Readonly<Model>): boolean {
    return true;
  }
  abstract run(model: Model, real: Real): Promise<void>;
  toString(): string {
    return `${this.constructor.name}(${JSON.stringify(this)})`;
  }
}

/** Steps that make sense one after another, as far as each of them is possible. */
export class Flow extends Step {
  constructor(readonly steps: readonly Step[]) {
    super();
  }
  async run(model: Model, real: Real): Promise<void> {
    for (const step of this.steps) if (step.check(model)) await step.run(model, real);
  }
  override toString(): string {
    return `Flow(${this.steps.join(', ')})`;
  }
}

/** The code of what was thrown, or `OK`. */
export async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'OK';
  } catch (error) {
    return (error as { code?: string }).code ?? `unexpected: ${String(error)}`;
  }
}

/** One of a list, whatever its length. */
export const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(1, list.length)];

/** A response of one of the keys to options for this purpose. `null` = there are rightly no options. */
export async function sign(
  model: Model,
  real: Real,
  { purpose, key: index, token }: { purpose: Purpose; key: number; token?: LoginToken | undefined },
): Promise<Assertion | null> {
  const caller = purpose === 'verify' ? token!.text : real.principal;
  let options: Parameters<Assertion['key']['authenticator']['get']>[0] | undefined;
  const result = await outcome(async () => {
    ({ options } = await real.get(MfaPasskeyService).options(caller, { purpose }));
  });
  const usable = !token || model.isUsable(token, real.now);
  const isPossible = model.keys.length > 0 && (purpose === 'change' || model.passes('passkey'));
  const expected = isPossible ? 'OK' : 'MFA_AUTHENTICATOR_NOT_FOUND';
  expect(result).toBe(usable ? expected : 'MFA_TOKEN_INVALID');
  if (!options) return null;
  const key = pick(model.keys, index)!;
  expect(options.allowCredentials!.map(({ id }) => id)).toEqual(model.keys.map(({ credentialId }) => credentialId));
  const passkey = key.authenticator.get(options);
  const counter = Buffer.from(passkey.response.authenticatorData, 'base64url').readUInt32BE(33);
  const expiresAt = Math.min(real.now + 300, token ? Math.floor(token.expiresAt) : Infinity);
  const assertion = { passkey, key, purpose, token: token ?? null, counter, expiresAt, dead: false };
  model.assertions.push(assertion);
  return assertion;
}
