import { expect } from 'vitest';
import {
  MfaBackupCodeService,
  MfaEnrollmentService,
  MfaPasskeyService,
  type MfaReauthenticationProof,
} from 'nestjs-mfa';
import { pended } from './flow-logins.js';
import { Model } from './flow-model.js';
import { outcome, pick, type Real, sign, Step } from './flow-step.js';

/** Most passkeys of a user in the model. */
export const MOST_KEYS = 3;

/** One change of the factors of a user who has some. */
interface ChangeOf {
  /** Whether the model knows what to expect of it now. */
  isKnown?: (model: Model) => boolean;
  /** What is left of the factors. Left out = all of them. */
  left?: (model: Model, target: number) => Pick<Model, 'apps' | 'keys'>;
  /** Calls the library. Returns what the success does to the model. */
  make: (real: Real, proof: MfaReauthenticationProof, model: Model, target: number) => Promise<() => void>;
}

function removed(model: Model, id: string): void {
  model.apps = model.apps.filter((app) => app.id !== id);
  model.keys = model.keys.filter((key) => key.id !== id);
  if (model.isEnabled) model.stampChanged();
  else model.switchedOff();
}

export const CHANGES = {
  regenerate: {
    make: async (real, proof, model) => {
      const { backupCodes } = await real.get(MfaBackupCodeService).regenerate(real.principal, proof);
      return () => {
        model.stampChanged();
        model.showCodes(backupCodes);
      };
    },
  },
  disable: {
    left: () => ({ apps: [], keys: [] }),
    make: async (real, proof, model) => {
      await real.get(MfaEnrollmentService).disable(real.principal, proof);
      return () => model.switchedOff();
    },
  },
  remove: {
    left: ({ apps, keys }, target) => {
      const gone = pick([...apps, ...keys], target);
      return { apps: apps.filter((each) => each !== gone), keys: keys.filter((each) => each !== gone) };
    },
    make: async (real, proof, model, target) => {
      const { id } = pick([...model.apps, ...model.keys], target)!;
      const { enabled, removed: view } = await real.get(MfaEnrollmentService).remove(real.principal, id, proof);
      expect(view?.id).toBe(id);
      return () => {
        removed(model, id);
        expect(enabled).toBe(model.isEnabled);
      };
    },
  },
  'set up an app': {
    isKnown: (model) => model.apps.length < 5,
    make: async (real, proof, model) => {
      const setup = await real.get(MfaEnrollmentService).setup(real.principal, proof);
      return () => pended(model, real, setup, 'session');
    },
  },
  'set up a key': {
    isKnown: (model) => model.keys.length < MOST_KEYS,
    make: async (real, proof, model) => {
      const { options } = await real.get(MfaPasskeyService).setup(real.principal, proof);
      return () => void model.registrations.push({ options, owner: 'session', expiresAt: real.now + 300, dead: false });
    },
  },
} satisfies Record<string, ChangeOf>;

export type ChangeName = keyof typeof CHANGES;

/** A change, proved by a code of an app, a backup code, or a passkey. */
export class Change extends Step {
  constructor(
    readonly name: ChangeName,
    readonly by: 'app' | 'paper' | 'key',
    readonly index: number,
    readonly target: number,
  ) {
    super();
  }
  override check(model: Readonly<Model>): boolean {
    const { apps, codes, keys } = model;
    const proofs = { app: apps.length, paper: codes.size, key: keys.length }[this.by];
    const change: ChangeOf = CHANGES[this.name];
    return model.isEnabled && proofs > 0 && (change.isKnown?.(model) ?? true);
  }
  async run(model: Model, real: Real): Promise<void> {
    const { proof, expected, spend } = await this.offer(model, real);
    let succeed: (() => void) | undefined;
    const result = await outcome(async () => {
      succeed = await CHANGES[this.name].make(real, proof, model, this.target);
    });
    expect(result).toBe(this.isRefused(model) ? 'MFA_REQUIRED_BY_POLICY' : expected());
    if (result !== 'OK') return;
    spend();
    succeed!();
  }
  /** Whether the last factor that fulfils the policy would go (S102). */
  private isRefused(model: Model): boolean {
    const change: ChangeOf = CHANGES[this.name];
    const left = change.left?.(model, this.target);
    if (!left || !model.policy?.required) return false;
    const after = Object.assign(new Model(), left, { policy: model.policy });
    return !after.hasAllowed && (model.hasAllowed || !after.isEnabled);
  }
  private async offer(model: Model, real: Real) {
    const { now } = real;
    if (this.by === 'key') {
      const assertion = (await sign(model, real, { purpose: 'change', key: this.index }))!;
      return {
        proof: { passkey: assertion.passkey },
        expected: () => 'OK',
        spend: () => model.spend(assertion),
      };
    }
    if (this.by === 'paper') {
      const code = pick([...model.codes.keys()], this.index)!;
      const right = model.codes.get(code) === 'unused' || ('spent' as const);
      return {
        proof: { code },
        expected: () => model.attempt('backup_code', right, now),
        spend: () => void model.codes.set(code, 'used'),
      };
    }
    const app = pick(model.apps, this.index)!;
    const right = app.spent.has(real.step) ? ('spent' as const) : true;
    return {
      proof: { code: app.device.code() },
      // Neither evaluated nor counted nor spent where a passkey is active (S84).
      expected: () => (model.isProtected ? 'MFA_PROOF_REQUIRED' : model.attempt('totp', right, now)),
      spend: () => void app.spent.add(real.step),
    };
  }
}
