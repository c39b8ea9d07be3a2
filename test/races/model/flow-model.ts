import type { MfaPolicy } from 'nestjs-mfa';
import type { VirtualAuthenticator, VirtualPasskey, VirtualPasskeyAssertion } from 'nestjs-mfa/testing';
import { AttemptModel } from './attempt-model.js';
import { DeviceModel } from './device-model.js';

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

/** The token of a login that must prove a second factor. */
export interface LoginToken extends Token {
  /** Of the password at its login. */
  version: string | null;
}

/** The token of a login that must enroll. */
export interface Enrollment extends Token {
  reason: 'policy' | 'reset' | 'recovery';
  /** Of the policy that required it. */
  policyId: string | null;
  /** Whether the user proved a factor that the policy does not allow. */
  proved: boolean;
  /** Whether the host or a recovery code permitted the setup. */
  authorized: boolean;
}

/** Who set something up: the session of the user, or the login with this token. */
export type Owner = 'session' | Enrollment;

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
  owner: Owner;
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
  token: LoginToken | null;
  counter: number;
  expiresAt: number;
  dead: boolean;
}

export type Factor = keyof Model['budgets'];

/** What ought to be, in as few words as possible. */
export class Model {
  apps: App[] = [];
  keys: Key[] = [];
  pending: (App & { owner: Owner; expiresAt: number }) | null = null;
  codes = new Map<string, 'unused' | 'used'>();
  tokens: LoginToken[] = [];
  devices = new DeviceModel();
  credentialVersion: string | null = 'v1';
  registrations: Registration[] = [];
  assertions: Assertion[] = [];
  enrollments: Enrollment[] = [];
  policy: MfaPolicy | null = null;
  /** When the user first signed in under a policy, by its id. */
  seen = new Map<string, number>();
  mustEnroll = false;
  /** The live recovery code. */
  recovery: { code: string; expiresAt: number } | null = null;
  /** Every recovery code that was issued. */
  recoveryCodes: string[] = [];
  budgets = {
    totp: new AttemptModel(),
    backup_code: new AttemptModel(),
    confirmation: new AttemptModel(),
    recovery_code: new AttemptModel(),
  };

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

  /** Whether a factor of this method fulfils the policy. */
  allows(method: string): boolean {
    return this.policy?.methods?.includes(method) ?? true;
  }

  get hasAllowed(): boolean {
    return (this.apps.length > 0 && this.allows('totp')) || (this.keys.length > 0 && this.allows('passkey'));
  }

  /** Whether a proof of this method passes a second step (S102). */
  passes(method: string): boolean {
    if (method === 'recovery_code') return true;
    if (method === 'backup_code') return this.policy?.backupCodes !== false;
    return this.allows(method) || !this.hasAllowed;
  }

  /** Whether a device that was trusted by this method and under this version replaces a second step (S111, S113). */
  trusts({ method, version }: { method: string; version: string | null }): boolean {
    return this.policy?.trustedDevices !== false && this.allows(method) && version === this.credentialVersion;
  }

  /** From when the policy is enforced. `null` = it requires nothing (S101). */
  dueAt(now: number): number | null {
    const { policy } = this;
    return policy?.required ? (this.seen.get(policy.id) ?? now) + (policy.graceSeconds ?? 0) : null;
  }

  /** A login stores when it first saw the policy. */
  see(now: number): number | null {
    const { policy, seen } = this;
    if (policy?.required && !seen.has(policy.id)) seen.set(policy.id, now);
    return this.dueAt(now);
  }

  /** Whether the token of an enrollment holds (S100). */
  holds(token: Enrollment, now: number): boolean {
    const { reason, policyId, proved } = token;
    if (!this.isUsable(token, now)) return false;
    if (reason === 'recovery') return true;
    const isRequired =
      reason === 'reset' ? this.mustEnroll : this.policy?.required === true && this.policy.id === policyId;
    return isRequired && !(proved ? this.hasAllowed : this.isEnabled);
  }

  isUsable(token: Token, now: number): boolean {
    return !token.dead && Math.floor(now) < Math.floor(token.expiresAt);
  }

  /** What an attempt must return: locked, or right, or wrong; and what it does to the budget. */
  attempt(factor: Factor, right: boolean | 'spent', now: number): string {
    const budget = this.budgets[factor];
    if (!budget.isOpen(now)) return 'MFA_LOCKED';
    // A right code that was spent before is not a guess, and changes nothing (S70).
    if (right === true) {
      budget.succeed(now);
      this.recovery = null;
    } else if (right === false) budget.fail(now);
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
    this.recovery = null;
    if (assertion.key.counter !== null) assertion.key.counter = assertion.counter;
  }

  /** The first factor comes with codes (S19). */
  showCodes(fresh: readonly string[]): void {
    this.codes = new Map(fresh.map((each) => [each, 'unused']));
    this.budgets.backup_code.startOver();
  }

  /** A factor counts. After a recovery code it replaces the others (S104). */
  enrolled({ app, key }: { app?: App; key?: Key }, owner: Owner, fresh: readonly string[] | undefined): void {
    const replaces = owner !== 'session' && owner.reason === 'recovery';
    this.apps = [...(replaces ? [] : this.apps), ...(app ? [app] : [])];
    this.keys = [...(replaces ? [] : this.keys), ...(key ? [key] : [])];
    this.mustEnroll = false;
    this.recovery = null;
    if (replaces) this.stampChanged();
    else this.factorsChanged();
    if (app && this.apps.length === 1) this.budgets.totp.startOver();
    if (fresh) this.showCodes(fresh);
  }

  /** Every change of factors or codes ends the pending setup and the registrations (S79, S84). */
  factorsChanged(): void {
    this.pending = null;
    for (const registration of this.registrations) registration.dead = true;
  }

  /** Whatever was issued before is worth nothing (S43). */
  stampChanged(): void {
    this.factorsChanged();
    for (const each of [...this.tokens, ...this.assertions, ...this.enrollments]) each.dead = true;
    this.devices.end();
  }

  switchedOff(): void {
    this.apps = [];
    this.keys = [];
    this.codes.clear();
    this.recovery = null;
    this.stampChanged();
    this.devices.remove();
  }
}
