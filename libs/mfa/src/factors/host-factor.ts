import { createHash } from 'node:crypto';
import { Logger, type ExecutionContext } from '@nestjs/common';
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
import { isFactorMatch, requireUsableFactor } from './host-factor-checks.js';

/** Adapts a factor of the host to the flow. */
export class HostFactor extends Factor {
  readonly method: string;
  readonly budget: 'other' | null;
  readonly rows = 'none';
  override readonly trustsDevices: boolean;
  private readonly logger = new Logger('nestjs-mfa');

  constructor(private readonly own: MfaFactor) {
    super();
    requireUsableFactor(own);
    this.method = own.method;
    this.budget = own.budget;
    this.trustsDevices = own.trustsDevices === true;
  }

  /** A factor of the host claims no format of code, so a request must name its method. */
  recognises(proof: Proof): ProofShape | null {
    return proof.kind === 'code' && proof.method === this.method ? { type: this.method } : null;
  }

  async evaluate(proof: Proof, { snapshot }: FactorState): Promise<FactorEvaluation> {
    const user = this.userOf(snapshot);
    // Without a credential nothing may match, so the host is not asked.
    if (proof.kind !== 'code' || user.ids.length === 0) return { match: null };
    const found = await this.own.match({ code: proof.code, typed: proof.typed }, user);
    if (found === null) return { match: null };
    // Only a match for a credential of this user that counts is accepted (S45).
    if (!isFactorMatch(found, user.ids)) return this.refuseResult();
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

  private noted({ userId }: MfaFactorUser, found: MfaFactorMatch) {
    return { noteUse: (nowMs: number) => tidyUp(async () => this.own.used?.(userId, found, new Date(nowMs))) };
  }

  /** The message has no value of the result, because it may hold a code. */
  // S64
  private refuseResult(): FactorEvaluation {
    this.logger.error(
      `factor ${this.own.constructor.name}: \`match\` returned neither null nor a complete match for one of \`ids\`, so ` +
        'the proof is refused. Return { id, amr, spend: { item, expiresAt } }',
    );
    return { match: null };
  }
}

/** A typed code can be phished, whatever device shows it, so it never counts as a key that is bound to the site. */
// S87
const OF_KEYS = ['hwk', 'swk', 'user'];

function amrOf({ amr }: MfaFactorMatch): string[] {
  const own = amr.filter((each) => !OF_KEYS.includes(each));
  return [...new Set([...own, 'mfa'])];
}
