import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { MfaPolicy } from 'nestjs-mfa';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaAuthenticatorStore } from '../../libs/mfa/src/domain/authenticators/authenticator.store.js';
import { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import { MfaDeviceStore } from '../../libs/mfa/src/domain/devices/device.store.js';
import { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import { MfaPolicySeenStore } from '../../libs/mfa/src/domain/policy/policy-seen.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { startHostApp, type HostApp } from '../support/host-app.js';
import { InMemoryAccountStore } from '../support/in-memory-account-store.js';
import { InMemoryAuthenticatorStore, InMemoryPasskeyStore } from '../support/in-memory-credential-stores.js';
import { InMemoryDeviceStore } from '../support/in-memory-device-store.js';
import { InMemoryMfaState } from '../support/in-memory-state.js';
import { InMemoryBackupCodeStore, InMemoryPolicySeenStore, InMemoryUsageStore } from '../support/in-memory-stores.js';
import { PASSKEYS } from '../support/passkey-client.js';
import { PolicyHost } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { ByAnother, ConfirmAppBy, ConfirmKeyBy, SetupBy } from './model/flow-enrollments.js';
import { DEVICE_DAYS, MOST_DEVICES } from './model/device-model.js';
import { Change, type ChangeName, MOST_KEYS } from './model/flow-changes.js';
import { deviceCommands } from './model/device-commands.js';
import * as flow from './model/flow-commands.js';
import { Model } from './model/flow-model.js';
import * as keys from './model/flow-passkeys.js';
import * as policies from './model/flow-policies.js';
import { type Command, Flow, Real } from './model/flow-step.js';

const token = fc.oneof(fc.constant(0), fc.nat(20));
const few = fc.nat(4);
const rarely = fc.boolean().chain((first) => (first ? fc.boolean() : fc.constant(false)));
const purpose = fc.constantFrom('verify' as const, 'step-up' as const, 'change' as const);
const proof = fc.constantFrom('app' as const, 'paper' as const, 'key' as const, 'key' as const);

const change = (name: ChangeName) =>
  fc.tuple(proof, few, few).map(([by, index, on]) => new Change(name, by, index, on));
const login = new flow.Login();
const offset = fc.integer({ min: -2, max: 2 });
const verify = fc.oneof(
  fc.tuple(token, few, offset).map((args) => new flow.VerifyTotp(...args)),
  fc.tuple(token, fc.nat(9)).map((args) => new flow.VerifyBackupCode(...args)),
  token.map((t) => new flow.VerifyWithPendingSecret(t)),
);
const signIn = verify.map((second) => new Flow([login, second]));
const confirmKey = fc
  .tuple(fc.nat(2), fc.boolean(), fc.option(few, { freq: 1 }), rarely)
  .map((args) => new keys.ConfirmKey(...args));
const present = fc
  .tuple(few, fc.option(purpose, { freq: 2 }), fc.option(token, { freq: 2 }), rarely)
  .map((args) => new keys.Present(...args));

const newest = new keys.Present(0, null, null, false);
const older = new keys.Present(1, null, null, false);
/** A response for one purpose at another one, or where it belongs; and its repetition. */
const ceremony = fc.tuple(purpose, fc.option(purpose), few, rarely).map(([made, at, index, elsewhere]) => {
  const there = new keys.Present(0, at, 0, elsewhere);
  return new Flow([login, new keys.Sign(made, index, 0), there, there, newest]);
});
/** Two responses of one key, the newer one first. */
const backwards = few.map((index) => {
  const sign = new keys.Sign('verify', index, 0);
  return new Flow([login, sign, login, sign, newest, older]);
});

/** A key is removed, by its own response as likely as not, and registered again. */
const again = fc.tuple(few, few, fc.nat(1)).map(([index, target, twin]) => {
  const remove = new Change('remove', 'key', index, target);
  const setup = new Change('set up a key', 'key', index, 0);
  return new Flow([remove, new keys.SetupKey(), setup, new keys.ConfirmKey(0, false, twin, false)]);
});

const newKey = new keys.ConfirmKey(0, false, null, false);
const syncedKey = new keys.ConfirmKey(0, true, null, false);
const app = [new flow.Setup(), new flow.Confirm(true), new flow.Advance(30)];
const key = [new keys.SetupKey(), newKey];

/** Two ids, so that a policy can take the place of another one. */
const required = { id: 'a', required: true };
const policy = fc
  .constantFrom<(MfaPolicy | null)[]>(
    ...[null, required, { ...required, id: 'b' }, { ...required, required: false, methods: ['passkey'] }],
    ...[1_000, 90_000].map((graceSeconds) => ({ ...required, graceSeconds })),
    ...[['totp'], ['passkey']].map((methods) => ({ ...required, methods })),
    ...[
      { ...required, methods: ['passkey'], graceSeconds: 1_000 },
      { ...required, backupCodes: false },
      { ...required, trustedDevices: false },
    ],
  )
  .map((each) => new policies.SetPolicy(each));
const permission = fc.oneof(
  { weight: 2, arbitrary: fc.constant('host' as const) },
  fc.constant('nothing' as const),
  fc.nat(2),
);
const method = fc.constantFrom('totp' as const, 'passkey' as const);
const reset = fc.boolean().map((requireEnrollment) => new policies.Reset(requireEnrollment));
const issueCode = new policies.IssueRecoveryCode();
const day = [86_399, 86_400].map((seconds) => new flow.Advance(seconds));
const recover = fc.tuple(fc.constant(0), fc.nat(1)).map((args) => new policies.VerifyRecoveryCode(...args));
const setupBy = fc.tuple(method, few, permission).map((args) => new SetupBy(...args));
const confirmBy = fc.oneof(
  fc.tuple(few, fc.boolean()).map((args) => new ConfirmAppBy(...args)),
  fc.tuple(few, fc.nat(1)).map((args) => new ConfirmKeyBy(...args)),
);
const confirmationOf = (what: 'totp' | 'passkey') =>
  what === 'totp' ? new ConfirmAppBy(0, true) : new ConfirmKeyBy(0, 0);
const twice = (what: 'totp' | 'passkey') => [confirmationOf(what), confirmationOf(what)];
/** What ends a token of an enrollment, and what does not. */
const between = fc.oneof(
  ...[policy, reset, fc.constantFrom(300, 900).map((seconds) => new flow.Advance(seconds))],
  fc.constantFrom(new flow.Invalidate(), login, issueCode, new Flow(app), new Flow(key)),
);
/** A setup by the newest token and its confirmation, twice, with or without something in between. */
const enroll = fc
  .tuple(method, permission, fc.option(between))
  .map(([what, from, event]) => new Flow([new SetupBy(what, 0, from), ...(event ? [event] : []), ...twice(what)]));
/** The user has this one factor, whatever there was before. */
const onlyFactor = (what: 'totp' | 'passkey') => [
  ...[new policies.SetPolicy(null), new policies.Reset(true), login],
  ...[new SetupBy(what, 0, 'host'), confirmationOf(what)],
];
const enrollByPolicy = fc
  .tuple(policy, enroll)
  .map(([set, rest]) => new Flow([...onlyFactor('totp'), new policies.Reset(false), set, login, rest]));
const enrollAfterReset = fc.tuple(reset, enroll).map(([first, rest]) => new Flow([first, issueCode, login, rest]));
const recoverAndEnroll = fc
  .tuple(recover, enroll, fc.option(fc.oneof(verify, fc.constantFrom(...day)), { freq: 2 }))
  .map(([code, rest, event]) => new Flow([issueCode, login, ...(event ? [event, login] : []), code, rest]));
const guessRecoveryCode = new Flow([
  ...[issueCode, login, ...Array.from({ length: 5 }, () => new policies.VerifyRecoveryCode(0, null))],
  new policies.VerifyRecoveryCode(0, 0),
]);
/** The user has only a factor that the policy does not allow, and proves it. Afterwards it passes no login. */
const proveAndEnroll = fc.tuple(method, fc.constantFrom(0, 1_000), enroll).map(([what, graceSeconds, rest]) => {
  const methods = [what === 'totp' ? 'passkey' : 'totp'];
  const prove = what === 'totp' ? [new flow.VerifyTotp(0, 0, 0)] : [new keys.Sign('verify', 0, 0), newest];
  const set = new policies.SetPolicy({ ...required, methods, graceSeconds });
  return new Flow([...onlyFactor(what), set, new flow.Advance(30), login, ...prove, rest, login, ...prove]);
});

/** As often as it stands here. */
const POLICY_COMMANDS: fc.Arbitrary<Command>[] = [
  ...[policy, policy, reset, fc.constant(issueCode), setupBy, confirmBy, enroll],
  ...[enrollByPolicy, enrollAfterReset, recoverAndEnroll, proveAndEnroll, proveAndEnroll],
  fc.tuple(token, fc.option(fc.nat(2))).map((args) => new policies.VerifyRecoveryCode(...args)),
  few.map((t) => new policies.LookAtEnrollment(t)),
  ...[fc.constant(guessRecoveryCode), fc.constant(new ByAnother())],
];

const noDevices = fc.constant(new policies.SetPolicy({ ...required, trustedDevices: false }));
const ends = [policy, noDevices, reset];
const DEVICE_COMMANDS = deviceCommands({ verify, present, change, onlyApp: onlyFactor('totp'), ends });

/** What the user has at the beginning. */
const START = {
  nothing: [],
  'an app': app,
  'a key': key,
  'a key and an app': [...key, new Change('set up an app', 'key', 0, 0), new flow.Confirm(true)],
  'an app and two keys': [
    ...[...app, new Change('set up a key', 'app', 0, 0), newKey],
    ...[new Change('set up a key', 'key', 0, 0), syncedKey],
  ],
};

/** As often as it stands here. */
const COMMANDS: fc.Arbitrary<Command>[] = [
  ...[fc.constant(new Flow(app)), fc.constant(new Flow(key)), fc.constant(new flow.Setup())],
  ...[fc.boolean().map((right) => new flow.Confirm(right)), fc.constant(new flow.Confirm(true))],
  ...[fc.constant(login), verify, signIn, signIn, signIn],
  fc.integer({ min: 1, max: 6 }).map((guesses) => new flow.Guess(guesses)),
  fc.constantFrom(4, 5).map((guesses) => new flow.Guess(guesses)),
  ...[change('regenerate'), change('disable'), change('remove'), change('set up an app')],
  ...[change('set up a key'), change('set up a key'), confirmKey, confirmKey, again, fc.constant(newKey)],
  fc.tuple(purpose, few, few).map((args) => new keys.Sign(...args)),
  ...[present, present, ceremony, ceremony, ceremony, backwards],
  fc.tuple(few, fc.constantFrom('Laptop', 'Key')).map((args) => new keys.Rename(...args)),
  fc.constant(new flow.Look()),
  fc.constantFrom(1, 29, 30, 301, 901, 1_801, 3_601, 8_640, 90_000).map((seconds) => new flow.Advance(seconds)),
  fc.constantFrom(30, 60).map((seconds) => new flow.Advance(seconds)),
  ...[fc.constant(new flow.Cleanup()), fc.constant(new flow.Unlock()), fc.constant(new flow.Invalidate())],
];

const CHECKED = [...COMMANDS, ...POLICY_COMMANDS, ...DEVICE_COMMANDS].map((each) =>
  each.map((command) => new policies.Checked(command)),
);

const inMemory = new InMemoryMfaState();

describe.each([
  { stores: 'in memory', runs: 100 },
  { stores: 'on SQLite', runs: 20 },
])('the flow against its model, $stores', ({ stores, runs }) => {
  let host: HostApp;
  let users = 0;

  beforeAll(async () => {
    host = await startHostApp({
      host: PolicyHost,
      options: {
        passkeys: { ...PASSKEYS.passkeys, max: MOST_KEYS },
        trustedDevices: { max: MOST_DEVICES, lifetimeDays: DEVICE_DAYS },
      },
      override: (builder) => {
        const quick = withQuickHasher(builder);
        if (stores !== 'in memory') return quick;
        return quick
          .overrideProvider(MfaAccountStore)
          .useValue(new InMemoryAccountStore(inMemory))
          .overrideProvider(MfaAuthenticatorStore)
          .useValue(new InMemoryAuthenticatorStore(inMemory))
          .overrideProvider(MfaBackupCodeStore)
          .useValue(new InMemoryBackupCodeStore(inMemory))
          .overrideProvider(MfaPasskeyStore)
          .useValue(new InMemoryPasskeyStore(inMemory))
          .overrideProvider(MfaDeviceStore)
          .useValue(new InMemoryDeviceStore(inMemory))
          .overrideProvider(MfaUsageStore)
          .useValue(new InMemoryUsageStore(inMemory))
          .overrideProvider(MfaPolicySeenStore)
          .useValue(new InMemoryPolicySeenStore(inMemory));
      },
    });
  });
  afterAll(() => host.close());

  it('S13 S16 S27 S32 S43 S50 S54 S80 S83 S84 S100 S101 S102 S104 S111 S112 S113 accepts each step, code and response at most once, never beyond the budget, and never after disabling, and trusts a device until a change, a revocation or its expiry', async () => {
    const sequences = fc.commands<Model, Real, false>(CHECKED, { maxCommands: 80, size: 'max' });
    const start = fc.constantFrom(...(Object.keys(START) as (keyof typeof START)[]));
    await fc.assert(
      fc.asyncProperty(start, sequences, async (first, commands) => {
        PolicyHost.restore();
        const [model, real] = [new Model(), new Real(host, (users += 1))];
        for (const step of START[first]) await step.run(model, real);
        await fc.asyncModelRun(() => ({ model, real }), commands);
      }),
      { numRuns: Number(process.env.RUNS ?? runs), endOnFailure: false },
    );
  });
});
