import { createHash } from 'node:crypto';
import type { ExecutionContext } from '@nestjs/common';
import { activeIdsOf, type AccountSnapshot } from '../domain/accounts/account.js';
import {
  Factor,
  type Credential,
  type FactorEvaluation,
  type FactorState,
  type PreparationRequest,
  type ProofShape,
} from '../domain/factors/factor.js';
import { CLOCK_SKEW_MS } from '../domain/usage/usage.js';
import type { Proof } from '../domain/verification/proof.js';
import { tidyUp } from '../events/tidy-up.js';
import type { MfaFactor, MfaFactorMatch, MfaFactorUser } from '../host/mfa-factor.js';
import { misconfigured } from '../options/option-checks.js';

const METHOD = /^[a-z_]{1,12}$/;

/** Names of the module's own factors, counters and usage kinds, now and later. */
const RESERVED = [
  ...['totp', 'backup_code', 'passkey', 'webauthn', 'email', 'sms', 'device'],
  ...['recovery_code', 'password', 'confirmation', 'token', 'import', 'other', 'code'],
];

const METHODS = ['match', 'describe', 'forget'] as const;

/** Adapts a factor of the host to the flow. */
export class HostFactor extends Factor {
  readonly method: string;
  readonly budget: 'other' | null;
  readonly rows = 'none';

  constructor(private readonly own: MfaFactor) {
    super();
    requireUsable(own);
    this.method = own.method;
    this.budget = own.budget;
  }

  /** A factor of the host claims no format of code, so a request must name its method. */
  recognises(proof: Proof): ProofShape | null {
    return proof.kind === 'code' && proof.method === this.method ? {} : null;
  }

  async evaluate(proof: Proof, { snapshot }: FactorState): Promise<FactorEvaluation> {
    const user = this.userOf(snapshot);
    // Without a credential nothing may match, so the host is not asked.
    if (proof.kind !== 'code' || user.ids.length === 0) return { match: null };
    const found = await this.own.match({ code: proof.code, typed: proof.typed }, user);
    // Only a match for a credential of this user that counts is accepted (S45).
    if (!found || !user.ids.includes(found.id)) return { match: null };
    return {
      match: { entry: this.entryOf(found), use: null, amr: amrOf(found), sealed: [], ...this.noted(user, found) },
    };
  }

  override async prepare(snapshot: AccountSnapshot, { context }: PreparationRequest): Promise<unknown> {
    return (await this.own.prepare?.(this.userOf(snapshot), context as ExecutionContext | undefined)) ?? null;
  }

  async describe(snapshot: AccountSnapshot): Promise<Credential[]> {
    const { userId, ids } = this.userOf(snapshot);
    const known = ids.length === 0 ? [] : await this.own.describe(userId, ids);
    return known
      .filter(({ id }) => ids.includes(id))
      .map(({ id, name, createdAt, lastUsedAt }) => ({
        ...{ id, name },
        createdAtMs: createdAt.getTime(),
        lastUsedAtMs: lastUsedAt?.getTime() ?? null,
      }));
  }

  async rename(userId: string, id: string, name: string): Promise<boolean> {
    if (!this.own.rename) return false;
    await this.own.rename(userId, id, name);
    return true;
  }

  /** Rows of the host have no expiry that the cleanup of the module could read. */
  async startGrace(): Promise<void> {}

  async forget({ account }: AccountSnapshot, ids = activeIdsOf(this.method, account.activeFactors)): Promise<void> {
    if (ids.length > 0) await this.own.forget(account.userId, ids);
  }

  async purge(userId: string): Promise<number> {
    await this.own.forget(userId, null);
    return 0;
  }

  private userOf({ account }: AccountSnapshot): MfaFactorUser {
    return { userId: account.userId, ids: activeIdsOf(this.method, account.activeFactors) };
  }

  /** The item is hashed, because the column holds 64 characters and some databases ignore case. */
  private entryOf({ id, spend: { item, expiresAt } }: MfaFactorMatch) {
    const hash = createHash('sha256')
      .update(JSON.stringify([id, item]))
      .digest('hex');
    const expiresAtMs = expiresAt === null ? null : expiresAt.getTime() + CLOCK_SKEW_MS;
    return { kind: this.method, item: hash, expiresAtMs };
  }

  private noted({ userId }: MfaFactorUser, { id }: MfaFactorMatch) {
    return { noteUse: (nowMs: number) => tidyUp(async () => this.own.used?.(userId, id, new Date(nowMs))) };
  }
}

function amrOf({ amr }: MfaFactorMatch): string[] {
  return [...new Set([...amr.filter((each) => typeof each === 'string'), 'mfa'])];
}

/** Refuses at boot what would fail at the first login. */
function requireUsable(own: MfaFactor): void {
  const { name } = own.constructor;
  const { method, budget, unguessable } = own;
  if (typeof method !== 'string' || !METHOD.test(method))
    throw misconfigured(`factor ${name}: \`method\` must have 1 to 12 characters of a-z and _`);
  if (RESERVED.includes(method)) throw misconfigured(`factor ${name}: the method '${method}' belongs to the module`);
  if (budget !== 'other' && budget !== null) throw misconfigured(`factor ${name}: \`budget\` must be 'other' or null`);
  if (budget === null && unguessable !== true)
    throw misconfigured(
      `factor ${name}: \`budget: null\` also needs \`unguessable = true\`, because its failed attempts are not counted`,
    );
  const missing = METHODS.find((each) => typeof own[each] !== 'function');
  if (missing) throw misconfigured(`factor ${name}: the method \`${missing}()\` is missing`);
}
