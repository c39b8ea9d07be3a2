import { normaliseCode } from '../../libs/mfa/src/domain/code.js';
import type { AttemptFactor } from '../../libs/mfa/src/domain/attempts/attempt-policy.js';
import { StepwiseVerificationStore } from '../../libs/mfa/src/persistence/stores/stepwise-verification.store.js';
import { ReencryptOnUse } from '../../libs/mfa/src/keys/reencrypt-on-use.js';
import { InMemorySealedValueStore } from './in-memory-sealed-value-store.js';
import { AttemptLimiter } from '../../libs/mfa/src/verification/attempt-limiter.js';
import { ProofPreparation } from '../../libs/mfa/src/verification/proof-preparation.js';
import { ProofVerifier } from '../../libs/mfa/src/verification/proof-verifier.js';
import { LoginCompletion, SupersededSessions } from '../../libs/mfa/src/verification/login-completion.js';
import { MfaVerificationService } from '../../libs/mfa/src/verification/verification.service.js';
import type { MfaLogin } from '../../libs/mfa/src/host/mfa-host.js';
import type { MfaOptions } from '../../libs/mfa/src/options/mfa-options.js';
import type { VirtualAuthenticator } from '../../libs/mfa/src/testing/virtual-authenticator.js';
import { inMemoryMfa } from './in-memory-mfa.js';

/** The room of verification over in-memory stores, and what a test does there. */
export function inMemoryVerification(given: Partial<MfaOptions> = {}) {
  const mfa = inMemoryMfa(given);
  const {
    hostAccess,
    tokens,
    cookie,
    options,
    clock,
    random,
    box,
    state,
    accounts,
    authenticators,
    backupCodes,
    passkeys,
    usage,
    events,
    challenges,
    hasher,
    factors,
  } = mfa;
  const store = new StepwiseVerificationStore({ accounts, authenticators, backupCodes, passkeys, usage });
  const limiter = new AttemptLimiter(accounts, clock, events, options);
  const reencryption = new ReencryptOnUse(new InMemorySealedValueStore(state), box);
  const verifier = new ProofVerifier(store, accounts, limiter, reencryption, clock, events, factors, options);
  const preparation = new ProofPreparation(accounts, tokens, mfa.policies, clock, factors);
  const completion = new LoginCompletion(hostAccess, new SupersededSessions(accounts, events));
  const verification = new MfaVerificationService(
    verifier,
    preparation,
    tokens,
    completion,
    cookie,
    hostAccess,
    mfa.policies,
    mfa.enrollments,
    mfa.deviceTrust,
    clock,
  );

  /** The first factor of a login: its checked challenge. */
  async function firstFactor(userId: string) {
    const issued = await challenges.issue(userId);
    if (!issued.mfaRequired) throw new Error(`${userId} has no second factor`);
    return challenges.check(issued.mfa_token);
  }

  /** Both factors of a login. */
  const login = async (userId: string, code: string): Promise<MfaLogin> => {
    const result = await verification.verify(await firstFactor(userId), { code });
    if (result.mfaRequired) throw new Error('a login in two steps has no third one');
    return result.login;
  };

  /** A set of the user's own, in place of whatever set there was. */
  async function giveBackupCodes(userId: string, codes: readonly string[]): Promise<void> {
    const setId = random.id();
    const phcs = await hasher.hashSet(codes.map(normaliseCode));
    const rows = phcs.map((phc) => {
      const id = random.id();
      const hash = box.seal(Buffer.from(phc), { purpose: 'backup-code', userId, credentialId: id });
      return { id, userId, setId, hash, usedAtMs: null, expiresAtMs: null };
    });
    await backupCodes.add(rows);
    const { account } = (await accounts.load(userId))!;
    await accounts.commit(userId, account.rowVersion, { backupSetId: setId });
  }

  const budgetOf = (userId: string, factor: AttemptFactor) => state.accounts.get(userId)!.budgets[factor];

  /** Why verifications failed, in order. */
  const failures = () =>
    mfa.told.flatMap((each) =>
      each.type === 'mfa.verification.failed'
        ? [{ factor: each.factor, failure: each.failure, ...('skewSteps' in each && { skewSteps: each.skewSteps }) }]
        : [],
    );

  const built = { store, limiter, verifier, preparation, completion, verification };
  return { ...mfa, ...built, firstFactor, login, giveBackupCodes, budgetOf, failures };
}

/** A code of six digits that is right at no step around now. */
export function wrongCodeOf(authenticator: VirtualAuthenticator): string {
  const right = [-2, -1, 0, 1, 2].map((steps) => authenticator.code(steps));
  return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !right.includes(code))!;
}
