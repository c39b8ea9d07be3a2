import { Logger } from '@nestjs/common';
import type { ModuleRef } from '@nestjs/core';
import { ChallengeCookie } from '../../libs/mfa/src/challenge/challenge-cookie.js';
import { ChallengeTokens } from '../../libs/mfa/src/challenge/mfa-challenge.js';
import { EnrollmentChallenges } from '../../libs/mfa/src/challenge/enrollment-challenges.js';
import { MfaChallengeService } from '../../libs/mfa/src/challenge/challenge.service.js';
import { BackupCodeHasher } from '../../libs/mfa/src/domain/backup-codes/backup-code-hash.js';
import { HashQueue } from '../../libs/mfa/src/domain/backup-codes/hash-queue.js';
import { BackupCodeIssuing } from '../../libs/mfa/src/factors/backup-codes/backup-code-issuing.js';
import { BackupCodeFactor } from '../../libs/mfa/src/factors/backup-codes/backup-code.factor.js';
import { RecoveryCodeFactor } from '../../libs/mfa/src/factors/recovery-code/recovery-code.factor.js';
import { TotpFactor } from '../../libs/mfa/src/factors/totp/totp.factor.js';
import { DeviceCookie } from '../../libs/mfa/src/devices/device-cookie.js';
import { DeviceTrust } from '../../libs/mfa/src/devices/device-trust.js';
import { TrustedLogins } from '../../libs/mfa/src/devices/trusted-logins.js';
import type { Factor } from '../../libs/mfa/src/domain/factors/factor.js';
import type { Authenticator } from '../../libs/mfa/src/domain/authenticators/authenticator.js';
import { SystemRandom } from '../../libs/mfa/src/domain/random.js';
import { SecretBox, SecretReader } from '../../libs/mfa/src/domain/secrets/secret-box.js';
import { otpauthUri } from '../../libs/mfa/src/domain/totp/otpauth-uri.js';
import { generateSecret } from '../../libs/mfa/src/domain/totp/totp.js';
import type { MfaEvent } from '../../libs/mfa/src/host/mfa-event.js';
import { MfaEvents } from '../../libs/mfa/src/events/mfa-events.js';
import { MfaHostAccess } from '../../libs/mfa/src/host/host-access.js';
import type { MfaHost, MfaPrincipal } from '../../libs/mfa/src/host/mfa-host.js';
import type { MfaOptions } from '../../libs/mfa/src/options/mfa-options.js';
import { LoginPolicies } from '../../libs/mfa/src/policy/login-policies.js';
import { resolveOptions } from '../../libs/mfa/src/options/resolve-options.js';
import { FixedClock } from '../../libs/mfa/src/testing/fixed-clock.js';
import { InMemoryAccountStore } from './in-memory-account-store.js';
import { InMemoryDeviceStore } from './in-memory-device-store.js';
import { InMemoryMfaState } from './in-memory-state.js';
import { InMemoryAuthenticatorStore, InMemoryPasskeyStore } from './in-memory-credential-stores.js';
import { InMemoryBackupCodeStore, InMemoryPolicySeenStore, InMemoryUsageStore } from './in-memory-stores.js';
import { VirtualAuthenticator } from '../../libs/mfa/src/testing/virtual-authenticator.js';

/** A test key: 32 bytes that stand nowhere else. */
export const KEY = { id: 'k1', secret: 'q7Gx0hXGJ2rT5bUe9LwPzN1vYcKd4mSfA8oRiB6tEVs=' };

/** What a signed-in user may be; a test changes it, or has it throw. */
export interface FakeHost extends Partial<MfaHost> {
  principal(): MfaPrincipal | null | Promise<MfaPrincipal | null>;
}

/** What the flow rooms stand on, over in-memory stores and without a Nest application. */
export function inMemoryMfa(given: Partial<MfaOptions> = {}) {
  const options = resolveOptions({ issuer: 'Acme', keys: [KEY], enrollment: { proof: 'session-only' }, ...given });
  const clock = new FixedClock();
  const random = new SystemRandom();
  const box = new SecretBox(options.keyRing, random);
  const state = new InMemoryMfaState();
  const accounts = new InMemoryAccountStore(state);
  const authenticators = new InMemoryAuthenticatorStore(state);
  const backupCodes = new InMemoryBackupCodeStore(state);
  const passkeys = new InMemoryPasskeyStore(state);
  const usage = new InMemoryUsageStore(state);
  const policiesSeen = new InMemoryPolicySeenStore(state);
  const devices = new InMemoryDeviceStore(state);
  const told: MfaEvent[] = [];
  const host: FakeHost = { principal: () => null, notify: (event) => void told.push(event) };
  const hostAccess = new MfaHostAccess({ get: () => host } as unknown as ModuleRef, options.policy);
  const events = new MfaEvents(hostAccess, clock);
  const cookie = new ChallengeCookie(() => '/mfa', options);
  const tokens = new ChallengeTokens(clock, random, box, options);
  const queue = new HashQueue({ concurrency: 2, maxWaiting: 32 });
  const hasher = new BackupCodeHasher(queue, random);
  const reader = new SecretReader(box, (message) => new Logger('nestjs-mfa').error(message));
  const issuing = new BackupCodeIssuing(backupCodes, usage, hasher, box, random, clock, options);
  const factors: Factor[] = [
    new TotpFactor(authenticators, reader, clock, options),
    new BackupCodeFactor(hasher, reader, issuing),
    new RecoveryCodeFactor(usage, events, options),
  ];
  const policies = new LoginPolicies(hostAccess, policiesSeen, clock, factors, options);
  const enrollments = new EnrollmentChallenges(accounts, tokens, policies, events, clock, factors, options);
  const deviceCookie = new DeviceCookie(options);
  const trustedLogins = new TrustedLogins(devices, deviceCookie, events, clock, options);
  const deviceTrust = new DeviceTrust(devices, deviceCookie, events, random, clock, factors, options);
  const challenges = new MfaChallengeService(
    accounts,
    tokens,
    events,
    cookie,
    hostAccess,
    policies,
    enrollments,
    trustedLogins,
    clock,
    factors,
    options,
  );

  /** A user whose only confirmed authenticators are those enrolled here. */
  async function enroll(userId: string, changes: Partial<Authenticator> = {}) {
    const secret = generateSecret(random, options.totp.algorithm);
    const id = random.id();
    const sealed = box.seal(secret, { purpose: 'totp-secret', userId, credentialId: id });
    const row: Authenticator = {
      id,
      userId,
      name: 'phone',
      ...options.totp,
      secret: sealed,
      ...notYetUsed,
      ...changes,
    };
    await authenticators.add(row);
    await accounts.open(userId, clock.nowMs());
    const { account } = (await accounts.load(userId))!;
    await accounts.commit(userId, account.rowVersion, {
      activeFactors: [...account.activeFactors, { type: 'totp', id: id }],
    });
    const uri = otpauthUri({ issuer: options.issuer, accountName: userId, secret, parameters: row });
    return { id, authenticator: new VirtualAuthenticator(uri, clock) };
  }

  const stores = { accounts, authenticators, backupCodes, passkeys, usage, policiesSeen, devices };
  return {
    options,
    clock,
    random,
    box,
    state,
    ...stores,
    told,
    host,
    hostAccess,
    events,
    cookie,
    tokens,
    challenges,
    ...{ policies, enrollments, deviceCookie, trustedLogins, deviceTrust },
    ...{ queue, hasher, factors },
    enroll,
  };
}

export type InMemoryMfa = ReturnType<typeof inMemoryMfa>;

const notYetUsed = { createdAtMs: 0, confirmedAtMs: 0, lastUsedAtMs: null, expiresAtMs: null, setupBinding: null };
