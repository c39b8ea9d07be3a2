import type { Factor } from '../../libs/mfa/src/domain/factors/factor.js';
import { Enrollers } from '../../libs/mfa/src/enrollment/enrollers.js';
import { EnrollmentAuthorization } from '../../libs/mfa/src/enrollment/enrollment-authorization.js';
import { EnrollmentCompletion } from '../../libs/mfa/src/enrollment/enrollment-completion.js';
import { EnrollmentProof } from '../../libs/mfa/src/enrollment/enrollment-proof.js';
import type { MfaConfirmation } from '../../libs/mfa/src/enrollment/enrollment-results.js';
import { ReauthenticationCheck } from '../../libs/mfa/src/enrollment/reauthentication-check.js';
import { BackupCodeIssuing } from '../../libs/mfa/src/factors/backup-codes/backup-code-issuing.js';
import { FactorActivation } from '../../libs/mfa/src/factors/backup-codes/factor-activation.js';
import { HostFactor } from '../../libs/mfa/src/factors/host-factor.js';
import { HostFactorEnrollment } from '../../libs/mfa/src/factors/host-factor-enrollment.js';
import { PasskeyEnrollment } from '../../libs/mfa/src/factors/passkey/passkey-enrollment.js';
import { PasskeyFactor } from '../../libs/mfa/src/factors/passkey/passkey.factor.js';
import { WebAuthnChallenges } from '../../libs/mfa/src/factors/passkey/webauthn-challenge.js';
import type { MfaChange } from '../../libs/mfa/src/host/mfa-event.js';
import type { MfaFactor } from '../../libs/mfa/src/host/mfa-factor.js';
import { SetupBinding } from '../../libs/mfa/src/host/session-binding.js';
import type { MfaOptions } from '../../libs/mfa/src/options/mfa-options.js';
import { VirtualPasskey } from '../../libs/mfa/src/testing/virtual-passkey.js';
import type { VirtualPasskeySettings } from '../../libs/mfa/src/testing/virtual-passkey.types.js';
import { inMemoryVerification } from './in-memory-verification.js';

const ORIGIN = 'https://acme.example';

export const newPasskey = (settings: Partial<VirtualPasskeySettings> = {}): VirtualPasskey =>
  new VirtualPasskey({ origin: ORIGIN, ...settings });

/** Passkeys and factors of the host over in-memory stores. Backup codes are not hashed, because that is slow. */
export function inMemoryEnrollment(given: Partial<MfaOptions> = {}, own: readonly MfaFactor[] = []) {
  const passkeyOptions = { rpId: 'acme.example', origins: [ORIGIN] };
  const mfa = inMemoryVerification({ passkeys: passkeyOptions, backupCodes: { count: 4 }, ...given });
  const { accounts, passkeys, usage, backupCodes, random, clock, options, hostAccess, events, limiter } = mfa;
  mfa.hasher.hashSet = async (codes) => codes.map((_, index) => `phc ${index}`);
  const webAuthn = new WebAuthnChallenges(options.keyRing);
  const passkeyFactor = new PasskeyFactor(passkeys, usage, webAuthn, random, clock, options);
  const factors: Factor[] = mfa.factors;
  factors.push(passkeyFactor, ...own.map((each) => new HostFactor(each)));
  const issuing = new BackupCodeIssuing(backupCodes, usage, mfa.hasher, mfa.box, random, clock, options);
  const activation = new FactorActivation(accounts, usage, issuing, limiter, clock, events, factors);
  const firstProof = new EnrollmentProof(hostAccess, options);
  const { verifier } = mfa;
  const authorization = new EnrollmentAuthorization(hostAccess, usage, limiter, events, clock, options);
  const proof = new ReauthenticationCheck(
    verifier,
    limiter,
    hostAccess,
    firstProof,
    authorization,
    clock,
    events,
    mfa.factors,
    options,
  );
  const enrollers = new Enrollers(mfa.enrollments, mfa.tokens, new SetupBinding());
  const completion = new EnrollmentCompletion(events, mfa.completion, mfa.cookie, clock);
  const enrollment = new PasskeyEnrollment(
    accounts,
    passkeys,
    webAuthn,
    proof,
    activation,
    enrollers,
    completion,
    hostAccess,
    events,
    random,
    clock,
    options,
  );
  const ownEnrollment = new HostFactorEnrollment(
    accounts,
    proof,
    activation,
    enrollers,
    completion,
    clock,
    limiter,
    mfa.factors,
    options,
  );
  const changes: MfaChange[] = [];
  mfa.host.revokeSessions = (change) => void changes.push(change);

  const of = (userId: string) => ({ userId, accountName: userId, sessionId: `session of ${userId}` });

  /** Registers a passkey, as the owner does in one session. */
  async function register(userId: string, key = newPasskey(), offered: object = {}) {
    const { options: creation } = await enrollment.setup(of(userId), offered);
    const confirmed = (await enrollment.confirm(of(userId), { passkey: key.create(creation) })) as MfaConfirmation;
    const { activeFactors } = (await accounts.load(userId))!.account;
    return { key, confirmed, id: activeFactors.at(-1)!.id };
  }

  /** Writes the account row as another change would. */
  async function change(userId: string, to: Parameters<typeof accounts.commit>[2]): Promise<void> {
    await accounts.open(userId, clock.nowMs());
    await accounts.commit(userId, (await accounts.load(userId))!.account.rowVersion, to);
  }

  /** The types of the events, in order. The host is told in a later turn. */
  async function toldTypes(): Promise<string[]> {
    await Promise.resolve();
    await Promise.resolve();
    return mfa.told.map(({ type }) => type);
  }

  const built = {
    webAuthn,
    enrollers,
    authorization,
    completion,
    passkeyFactor,
    issuing,
    activation,
    proof,
    enrollment,
    ownEnrollment,
  };
  return { ...mfa, ...built, changes, of, register, change, toldTypes };
}
