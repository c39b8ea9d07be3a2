import type { VirtualAuthenticator, VirtualPasskey, VirtualPasskeyAssertion } from 'nestjs-mfa/testing';
import { AttemptModel } from './attempt-model.js';

export interface App {
  id: string;
  device: VirtualAuthenticator;
  spent: Set<number>;
}

export interface Token {
  text: string;
  expiresAt: number;
  dead: boolean;
}

export interface Key {
  id: string;
  credentialId: string;
  authenticator: VirtualPasskey;
  /** The counter of its newest use. A key without one is synced. */
  counter: number | null;
}

/** The options of a registration. */
export interface Registration {
  options: Parameters<VirtualPasskey['create']>[0];
  expiresAt: number;
  dead: boolean;
}

export type Purpose = 'verify' | 'step-up' | 'change';

/** A response of a key, which anyone may send as often as they like. */
export interface Assertion {
  passkey: VirtualPasskeyAssertion;
  key: Key;
  purpose: Purpose;
  /** Of the login for which it is. */
  token: Token | null;
  counter: number;
  expiresAt: number;
  dead: boolean;
}

export type Factor = keyof Model['budgets'];

/** What ought to be, in as few words as possible. */
export class Model {
  apps: App[] = [];
  keys: Key[] = [];
  pending: (App & { expiresAt: number }) | null = null;
  codes = new Map<string, 'unused' | 'used'>();
  tokens: Token[] = [];
  registrations: Registration[] = [];
  assertions: Assertion[] = [];
  budgets = { totp: new AttemptModel(), backup_code: new AttemptModel(), confirmation: new AttemptModel() };

  get isEnabled(): boolean {
    return this.apps.length + this.keys.length > 0;
  }

  /** Where a passkey is active, no TOTP code proves a change (S84). */
  get isProtected(): boolean {
    return this.keys.length > 0;
  }

  get methods(): string[] {
    const unused = [...this.codes.values()].includes('unused');
    return [
      ...(this.apps.length > 0 ? ['totp'] : []),
      ...(this.keys.length > 0 ? ['passkey'] : []),
      ...(unused ? ['backup_code'] : []),
    ];
  }

  isUsable(token: Token, now: number): boolean {
    return !token.dead && Math.floor(now) < Math.floor(token.expiresAt);
  }

  /** What an attempt must return: locked, or right, or wrong; and what it does to the budget. */
  attempt(factor: Factor, right: boolean | 'spent', now: number): string {
    const budget = this.budgets[factor];
    if (!budget.isOpen(now)) return 'MFA_LOCKED';
    // A right code that was spent before is not a guess, and changes nothing (S70).
    if (right === true) budget.succeed(now);
    else if (right === false) budget.fail(now);
    return right === true ? 'OK' : 'MFA_CODE_REJECTED';
  }

  /** Whether the response is right there. One that is wrong costs nothing, whatever is wrong (S80, S83). */
  accepts(assertion: Assertion, at: { purpose: Purpose; token?: Token; elsewhere?: boolean }, now: number): boolean {
    const { key, purpose, counter } = assertion;
    const isHere = purpose === 'verify' ? assertion.token === at.token : !at.elsewhere;
    const advances = key.counter === null || counter > key.counter;
    const isAlive = !assertion.dead && now < assertion.expiresAt && this.keys.includes(key);
    return isAlive && purpose === at.purpose && isHere && advances;
  }

  spend(assertion: Assertion): void {
    assertion.dead = true;
    if (assertion.key.counter !== null) assertion.key.counter = assertion.counter;
  }

  /** The first factor comes with codes (S19). */
  showCodes(fresh: readonly string[]): void {
    this.codes = new Map(fresh.map((each) => [each, 'unused']));
    this.budgets.backup_code.startOver();
  }

  /** Every change of factors or codes ends the pending setup and the registrations (S79, S84). */
  factorsChanged(): void {
    this.pending = null;
    for (const registration of this.registrations) registration.dead = true;
  }

  /** Whatever was issued before is worth nothing (S43). */
  stampChanged(): void {
    this.factorsChanged();
    for (const each of [...this.tokens, ...this.assertions]) each.dead = true;
  }

  switchedOff(): void {
    this.apps = [];
    this.keys = [];
    this.codes.clear();
    this.stampChanged();
  }
}
