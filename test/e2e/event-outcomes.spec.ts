import { Client } from '../support/client.js';
import { Injectable } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as mfa from 'nestjs-mfa';
import {
  MfaAdminService,
  MfaEnrollmentService,
  MfaFactor,
  type MfaEvent,
  type MfaEventType,
  type MfaFactorProof,
  type MfaFactorUser,
  type MfaFailureReason,
} from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { AuthModule, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { Browser, DeviceClient } from '../support/device-client.js';
import { newKey } from '../support/passkey-client.js';
import { EnrollingClient, newUser, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';

/** A factor of the host whose code is always the same. Spending it is not what these tests are about. */
@Injectable()
class WordFactor extends MfaFactor {
  readonly method = 'word';
  readonly budget = 'other';

  match({ code }: MfaFactorProof, { ids }: MfaFactorUser) {
    const spend = { item: code, expiresAt: new Date(Date.now() + 86_400_000) };
    return code.startsWith('right') ? { id: ids[0]!, amr: [], spend } : null;
  }

  describe(_userId: string, ids: readonly string[]) {
    return ids.map((id) => ({ id, name: 'Word', createdAt: new Date(0), lastUsedAt: null }));
  }

  forget() {}
}

/** One outcome of a method: what a user does, and the events that follow from it, as `type` or `type failure`. */
interface Outcome {
  when: string;
  /** Brings the user there, and returns what the user does then. */
  prepare: (user: EnrollingClient) => Promise<() => PromiseLike<unknown>>;
  events: string[];
}

type ExpectedEvent =
  | Exclude<MfaEventType, 'mfa.verification.failed' | 'mfa.verification.succeeded'>
  | `mfa.verification.failed ${MfaFailureReason}`
  | `mfa.verification.succeeded ${string}`;

const outcome = (when: string, events: ExpectedEvent[], prepare: Outcome['prepare']): Outcome => ({
  when,
  events,
  prepare,
});

const service = <T>({ host }: EnrollingClient, token: abstract new (...args: never[]) => T) =>
  host.app.get<T>(token as never, { strict: false });
const admin = (user: EnrollingClient) => service(user, MfaAdminService);
const principal = ({ userId }: EnrollingClient) => ({ userId, accountName: userId, sessionId: 's' });
const AGENT = { actor: { userId: 'agent' }, reason: 'case 4711' };

const FAILED = 'mfa.verification.failed';
const BY_TOTP = 'mfa.verification.succeeded totp';
const BY_PASSWORD = 'mfa.verification.succeeded password';
const FIRST_CODE = 'mfa.verification.succeeded confirmation';

/** A code that is right in no step near now. */
const WRONG = '00000000';

async function pendingSetup(user: EnrollingClient): Promise<VirtualAuthenticator> {
  const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
  return new VirtualAuthenticator(body.otpauthUri, user.host.clock);
}

async function mustEnroll(user: EnrollingClient): Promise<string> {
  PolicyHost.policyOf = () => REQUIRED;
  return (await user.mustEnroll()).mfa_token;
}

async function withRecoveryCode(user: EnrollingClient) {
  const { authenticator } = await user.enroll();
  const { code } = await admin(user).issueRecoveryCode(user.userId, AGENT);
  return { authenticator, code, mfa_token: await user.login() };
}

const verifications = (path: '/mfa/verify' | '/mfa/step-up'): Outcome[] => {
  const sender = async (user: EnrollingClient) => {
    const mfa_token = path === '/mfa/verify' ? await user.login() : undefined;
    return (proof: object) => user.post(path, { ...(mfa_token && { mfa_token }), ...proof });
  };
  const refused = (failure: MfaFailureReason, code: (right: VirtualAuthenticator) => string) =>
    outcome(`${failure} at ${path}`, [`${FAILED} ${failure}`], async (user) => {
      const { authenticator } = await user.enroll();
      const send = await sender(user);
      return () => send({ code: code(authenticator) });
    });
  return [
    outcome(`accepted at ${path}`, [BY_TOTP], async (user) => {
      const { authenticator } = await user.enroll();
      const send = await sender(user);
      return () => send({ code: authenticator.code() });
    }),
    outcome(`a backup code is accepted at ${path}`, ['mfa.verification.succeeded backup_code'], async (user) => {
      const { backupCodes } = await user.enroll();
      const send = await sender(user);
      return () => send({ code: backupCodes[0] });
    }),
    refused('malformed', () => '12'),
    refused('wrong_code', (phone) => (phone.code() === '000000' ? '000001' : '000000')),
    outcome(`clock_skew at ${path}`, [`${FAILED} clock_skew`], async (user) => {
      const { authenticator } = await user.enroll();
      const code = authenticator.code();
      user.host.clock.advance(150);
      const send = await sender(user);
      return () => send({ code });
    }),
    outcome(`already_spent at ${path}`, [`${FAILED} already_spent`], async (user) => {
      const { authenticator } = await user.enroll();
      await user.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
      const send = await sender(user);
      return () => send({ code: authenticator.code() });
    }),
    outcome(`locked at ${path}`, [`${FAILED} locked`], async (user) => {
      const { authenticator } = await user.enroll();
      for (let guess = 0; guess < 5; guess += 1) await user.post('/mfa/step-up', { code: '000000' });
      const send = await sender(user);
      return () => send({ code: authenticator.code() });
    }),
  ];
};

/** A login from this user's own browser, after the browser was trusted. */
async function trusting(user: EnrollingClient): Promise<DeviceClient> {
  const { authenticator } = await user.enroll();
  const browsing = new DeviceClient(user.host, user.userId, new Browser(), user.session);
  await browsing.trust(authenticator.code());
  return browsing;
}

type ServiceClass<T> = T extends abstract new (...args: never[]) => infer Instance ? Instance : never;
type Services = {
  [Name in keyof typeof mfa as Name extends `${string}Service` ? Name : never]: ServiceClass<(typeof mfa)[Name]>;
};

/**
 * Every public method of every exported service: its outcomes, or `no outcome` where it only reads or computes. A new
 * service or method does not compile before it stands here.
 */
const OUTCOMES: { [Name in keyof Services]: Record<keyof Services[Name], Outcome[] | 'no outcome'> } = {
  MfaChallengeService: {
    issue: [
      outcome('no second factor is required', [], async (user) => () => user.loginAnswer()),
      outcome('a second factor is required', ['mfa.challenge.issued'], async (user) => {
        await user.enroll();
        return () => user.loginAnswer();
      }),
      outcome('an enrollment is required', ['mfa.challenge.issued'], async (user) => {
        PolicyHost.policyOf = () => REQUIRED;
        return () => user.loginAnswer();
      }),
      outcome('a trusted device replaces the second factor', ['mfa.device.used'], async (user) => {
        const browsing = await trusting(user);
        return () => browsing.logIn();
      }),
      outcome('an old secret of a device', ['mfa.device.reused', 'mfa.challenge.issued'], async (user) => {
        const browsing = await trusting(user);
        const thief = new DeviceClient(user.host, user.userId, browsing.browser.copy());
        for (let uses = 0; uses < 2; uses += 1) await browsing.logIn();
        return () => thief.logIn();
      }),
    ],
    check: 'no outcome',
    describe: 'no outcome',
  },
  MfaVerificationService: {
    login: [
      ...verifications('/mfa/verify'),
      outcome('method_not_allowed', [`${FAILED} method_not_allowed`], async (user) => {
        const { backupCodes } = await user.enroll();
        PolicyHost.policyOf = () => ({ ...REQUIRED, backupCodes: false });
        const mfa_token = await user.login();
        return () => user.verify(mfa_token, backupCodes[0]);
      }),
      outcome('clone_suspected', [`${FAILED} clone_suspected`, 'mfa.passkey.clone_suspected'], async (user) => {
        const key = newKey();
        await user.addPasskey(key);
        await user.signInByPasskey(key, { counter: 9 });
        const { mfa_token, options } = await user.startPasskeyLogin();
        return () => user.verifyPasskey(mfa_token, key.get(options, { counter: 3 }));
      }),
      outcome('a passkey is accepted', ['mfa.verification.succeeded passkey'], async (user) => {
        const key = newKey();
        await user.addPasskey(key);
        const { mfa_token, options } = await user.startPasskeyLogin();
        return () => user.verifyPasskey(mfa_token, key.get(options));
      }),
      outcome(
        'a recovery code is accepted',
        ['mfa.recovery_code.used', 'mfa.verification.succeeded recovery_code', 'mfa.challenge.issued'],
        async (user) => {
          const { code, mfa_token } = await withRecoveryCode(user);
          return () => user.send('/mfa/verify', { mfa_token, code, method: 'recovery_code' });
        },
      ),
      outcome('the device is trusted', [BY_TOTP, 'mfa.device.trusted'], async (user) => {
        const { authenticator } = await user.enroll();
        const mfa_token = await user.login();
        const browsing = new DeviceClient(user.host, user.userId);
        return () => browsing.secondStep({ mfa_token, code: authenticator.code(), rememberDevice: true });
      }),
      outcome('the user is blocked meanwhile', [BY_TOTP], async (user) => {
        const { authenticator } = await user.enroll();
        const mfa_token = await user.login();
        user.host.state.blocked.add(user.userId);
        return () => user.verify(mfa_token, authenticator.code()).expect(401);
      }),
      outcome('the factors change meanwhile', [BY_TOTP, 'mfa.invalidated', 'mfa.login.superseded'], async (user) => {
        const { authenticator } = await user.enroll();
        const mfa_token = await user.login();
        PolicyHost.beforeLogin = () => admin(user).invalidate(user.userId, AGENT);
        return () => user.verify(mfa_token, authenticator.code()).expect(401);
      }),
    ],
    verify: [
      outcome('a right code', [BY_TOTP], async (user) => {
        const { authenticator } = await user.enroll();
        const mfa_token = await user.login();
        return () => service(user, mfa.MfaVerificationService).verify(mfa_token, { code: authenticator.code() });
      }),
    ],
    stepUp: verifications('/mfa/step-up'),
    prepare: 'no outcome',
  },
  MfaEnrollmentService: {
    setup: [
      outcome('started', [BY_PASSWORD, 'mfa.setup.started'], async (user) => {
        return () => user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
      }),
      outcome('a wrong password', [`${FAILED} wrong_code`], async (user) => {
        return () => user.post('/mfa/totp/setup', { password: 'wrong' }).expect(401);
      }),
      outcome('within a login', ['mfa.setup.started'], async (user) => {
        const mfa_token = await mustEnroll(user);
        return () => user.send('/mfa/totp/setup', { mfa_token });
      }),
    ],
    cancelSetup: [
      outcome('cancelled', ['mfa.setup.cancelled'], async (user) => {
        await pendingSetup(user);
        return () => user.post('/mfa/setup/cancel').expect(200);
      }),
    ],
    confirm: [
      outcome('confirmed', [FIRST_CODE, 'mfa.authenticator.confirmed'], async (user) => {
        const phone = await pendingSetup(user);
        return () => user.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
      }),
      outcome('a wrong code', [`${FAILED} wrong_code`], async (user) => {
        const phone = await pendingSetup(user);
        const code = phone.code() === '000000' ? '000001' : '000000';
        return () => user.post('/mfa/totp/confirm', { code }).expect(401);
      }),
      outcome('a code of another shape', [`${FAILED} malformed`], async (user) => {
        await pendingSetup(user);
        return () => user.post('/mfa/totp/confirm', { code: WRONG }).expect(401);
      }),
      outcome(
        'within a login',
        [FIRST_CODE, 'mfa.authenticator.confirmed', 'mfa.enrollment.completed'],
        async (user) => {
          const mfa_token = await mustEnroll(user);
          const phone = await user.setupTotpBy(mfa_token);
          return () => user.send('/mfa/totp/confirm', { mfa_token, code: phone.code() }).expect(200);
        },
      ),
      outcome('after a recovery code', [FIRST_CODE, 'mfa.recovered', 'mfa.enrollment.completed'], async (user) => {
        const { code, mfa_token } = await withRecoveryCode(user);
        const { body } = await user.send('/mfa/verify', { mfa_token, code, method: 'recovery_code' }).expect(200);
        const phone = await user.setupTotpBy(body.mfa_token);
        return () => user.send('/mfa/totp/confirm', { mfa_token: body.mfa_token, code: phone.code() }).expect(200);
      }),
    ],
    activate: [
      outcome('a factor of the host', [BY_PASSWORD, 'mfa.authenticator.confirmed'], async (user) => {
        const credential = { type: 'word', id: `word-${user.userId}`, name: 'Word' };
        const enrollment = service(user, MfaEnrollmentService);
        return () => enrollment.activate(principal(user), credential, { password: PASSWORD });
      }),
    ],
    rename: [
      outcome('renamed', ['mfa.authenticator.renamed'], async (user) => {
        const { id } = await user.enroll();
        return () => user.patch(`/mfa/authenticators/${id}`, { name: 'Phone' }).expect(200);
      }),
    ],
    remove: [
      outcome('one of two', [BY_TOTP, 'mfa.authenticator.removed'], async (user) => {
        const { authenticator } = await user.enroll();
        const { id } = await user.enrollAnother(authenticator.code());
        return () => user.post(`/mfa/authenticators/${id}/remove`, { code: authenticator.code() }).expect(200);
      }),
      outcome('the last one', [BY_TOTP, 'mfa.disabled'], async (user) => {
        const { authenticator, id } = await user.enroll();
        return () => user.post(`/mfa/authenticators/${id}/remove`, { code: authenticator.code() }).expect(200);
      }),
    ],
    disable: [
      outcome('disabled', [BY_TOTP, 'mfa.disabled'], async (user) => {
        const { authenticator } = await user.enroll();
        return () => user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
      }),
      outcome('a wrong code', [`${FAILED} malformed`], async (user) => {
        await user.enroll();
        return () => user.post('/mfa/disable', { code: WRONG }).expect(401);
      }),
    ],
  },
  MfaBackupCodeService: {
    regenerate: [
      outcome('regenerated', [BY_TOTP, 'mfa.backup_codes.regenerated'], async (user) => {
        const { authenticator } = await user.enroll();
        return () => user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200);
      }),
    ],
    remaining: 'no outcome',
  },
  MfaPasskeyService: {
    setup: [
      outcome('started', [BY_PASSWORD, 'mfa.setup.started'], async (user) => () => user.setupPasskey().expect(200)),
    ],
    confirm: [
      outcome('confirmed', ['mfa.authenticator.confirmed'], async (user) => {
        const { body } = await user.setupPasskey().expect(200);
        return () => user.confirmPasskey(newKey().create(body.options)).expect(200);
      }),
      outcome('a response to another challenge', [`${FAILED} wrong_code`], async (user) => {
        const { body } = await user.setupPasskey().expect(200);
        const options = { ...body.options, challenge: 'x'.repeat(43) };
        return () => user.confirmPasskey(newKey().create(options)).expect(401);
      }),
    ],
    options: 'no outcome',
  },
  MfaDeviceService: {
    list: 'no outcome',
    revoke: [
      outcome('revoked', ['mfa.device.revoked'], async (user) => {
        const browsing = await trusting(user);
        const { body } = await browsing.ask('get', '/mfa/devices');
        const [{ id }] = body.devices as [{ id: string }];
        return () => browsing.ask('post', `/mfa/devices/${id}/revoke`);
      }),
    ],
  },
  MfaAdminService: {
    revokeDevices: [
      outcome('revoked', ['mfa.device.revoked'], async (user) => {
        await trusting(user);
        return () => admin(user).revokeDevices(user.userId, AGENT);
      }),
    ],
    unlock: [outcome('unlocked', ['mfa.unlocked'], async (user) => () => admin(user).unlock(user.userId, AGENT))],
    invalidate: [
      outcome('invalidated', ['mfa.invalidated'], async (user) => () => admin(user).invalidate(user.userId, AGENT)),
    ],
    passwordChanged: [
      outcome('changed', ['mfa.invalidated', 'mfa.unlocked'], async (user) => {
        return () => admin(user).passwordChanged(user.userId, AGENT);
      }),
    ],
    moveUser: [
      outcome('moved', ['mfa.user.moved'], async (user) => {
        const old = `${user.userId}-old`;
        await new Client(user.host, old).enroll();
        return () => admin(user).moveUser(old, user.userId, AGENT);
      }),
      outcome('a finished move again', [], async (user) => {
        const old = `${user.userId}-old`;
        await new Client(user.host, old).enroll();
        await admin(user).moveUser(old, user.userId, AGENT);
        return () => admin(user).moveUser(old, user.userId, AGENT);
      }),
      outcome('a user without MFA', [], async (user) => () => admin(user).moveUser(user.userId, 'nobody-moved', AGENT)),
    ],
    reset: [
      outcome('reset', ['mfa.reset'], async (user) => {
        await user.enroll();
        return () => admin(user).reset(user.userId, AGENT);
      }),
    ],
    issueRecoveryCode: [
      outcome('issued', ['mfa.recovery_code.issued'], async (user) => {
        return () => admin(user).issueRecoveryCode(user.userId, AGENT);
      }),
    ],
    purgeUser: [
      outcome('a user with a factor', ['mfa.disabled', 'mfa.user.purged'], async (user) => {
        await user.enroll();
        return () => admin(user).purgeUser(user.userId, AGENT);
      }),
      outcome('a user without', ['mfa.user.purged'], async (user) => () => admin(user).purgeUser(user.userId, AGENT)),
    ],
    list: 'no outcome',
    exportUser: 'no outcome',
  },
  MfaStatusService: { status: 'no outcome', statusOf: 'no outcome', listDue: 'no outcome' },
  MfaCleanupService: { purge: 'no outcome', onApplicationBootstrap: 'no outcome', onModuleDestroy: 'no outcome' },
  MfaAuditService: { list: 'no outcome', listAll: 'no outcome' },
  MfaKeyService: { status: 'no outcome', verify: 'no outcome', rotate: 'no outcome' },
  TotpService: {
    onModuleInit: 'no outcome',
    generateSecret: 'no outcome',
    encryptSecret: 'no outcome',
    decryptSecret: 'no outcome',
    otpauthUri: 'no outcome',
    qrCode: 'no outcome',
    qrSvg: 'no outcome',
    currentStep: 'no outcome',
    verify: 'no outcome',
    generateBackupCodes: 'no outcome',
  },
};

/** Every value that an event may have where it is a metric label. */
const LABELS = {
  actor: { user: true, admin: true, system: true } satisfies Record<MfaEvent['actor']['type'], true>,
  failure: {
    malformed: true,
    method_not_allowed: true,
    wrong_code: true,
    clock_skew: true,
    already_spent: true,
    clone_suspected: true,
    locked: true,
    busy: true,
    state_changed: true,
  } satisfies Record<MfaFailureReason, true>,
  /** The methods of this application: its own factor, too. */
  factor: ['totp', 'passkey', 'backup_code', 'recovery_code', 'password', 'confirmation', 'word'],
};

const CASES = Object.entries(OUTCOMES).flatMap(([name, methods]) =>
  Object.entries<Outcome[] | 'no outcome'>(methods).flatMap(([method, outcomes]) =>
    outcomes === 'no outcome' ? [] : outcomes.map((each) => ({ method: `${name}.${method}`, ...each })),
  ),
);

describe('the outcomes of every service', () => {
  let host: HostApp;
  let users = 0;
  beforeAll(async () => {
    host = await startHostApp({
      ...POLICIES,
      options: { ...POLICIES.options, trustedDevices: {}, imports: [AuthModule], factors: [WordFactor] },
    });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  const label = (event: MfaEvent) =>
    event.type === 'mfa.verification.failed'
      ? `${event.type} ${event.failure}`
      : event.type === 'mfa.verification.succeeded'
        ? `${event.type} ${event.factor}`
        : event.type;

  it.each(CASES)('S65 S121 $method, $when: has exactly its events', async ({ prepare, events }) => {
    const user = newUser(host, `user-${(users += 1)}`);
    const act = await prepare(user);
    const from = host.state.events.length;
    await act();
    await new Promise((resolve) => setImmediate(resolve));
    const told = host.state.events.slice(from);
    expect(told.map(label)).toEqual(events);
    for (const event of told) {
      expect(event).toMatchObject({ userId: user.userId, at: expect.any(Date) });
      expect(Object.keys(LABELS.actor)).toContain(event.actor.type);
    }
  });

  it('S121 lists the methods that the services have', () => {
    const services = new Map<string, { prototype?: object }>(Object.entries({ ...mfa }) as never);
    for (const [name, methods] of Object.entries(OUTCOMES)) {
      const prototype = services.get(name)?.prototype;
      for (const method of Object.keys(methods)) expect(prototype, `${name}.${method}`).toHaveProperty(method);
    }
  });

  it('S121 take metric labels from closed sets, whatever method a client names', async () => {
    const user = newUser(host, 'labels');
    const { authenticator } = await user.enroll();
    for (const method of ['sms', 'constructor', 'x'.repeat(60)]) {
      const mfa_token = await user.login();
      await user.send('/mfa/verify', { mfa_token, code: authenticator.code(), method });
      await user.post('/mfa/step-up', { code: authenticator.code(), method });
    }
    await new Promise((resolve) => setImmediate(resolve));
    const factors = new Set(host.state.events.flatMap((event) => ('factor' in event ? (event.factor ?? []) : [])));
    const failures = host.state.events.flatMap((event) => ('failure' in event ? event.failure : []));
    for (const factor of factors) expect(LABELS.factor).toContain(factor);
    for (const failure of failures) expect(Object.keys(LABELS.failure)).toContain(failure);
    expect(failures.length).toBeGreaterThan(10);
  });
});
