import fc from 'fast-check';
import type { DeviceKind } from './device-model.js';
import type { Change, ChangeName } from './flow-changes.js';
import * as flow from './flow-commands.js';
import * as devices from './flow-devices.js';
import * as keys from './flow-passkeys.js';
import { type Command, Flow, type Step } from './flow-step.js';

type Proof = 'totp' | 'passkey' | 'paper';

const few = fc.nat(4);
const login = new flow.Login();
const kind = fc.constantFrom<DeviceKind[]>('cookie', 'cookie', 'token');
const browser = fc.option(few, { freq: 1 });
const secret = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.constant(1) },
  fc.option(fc.nat(4), { freq: 4 }),
);
const logInFrom = fc
  .tuple(few, secret, fc.nat(3))
  .map(([device, which, as]) => new devices.LogInFrom(device, which, as === 0));
const fromNewest = (which: number) => new devices.LogInFrom(0, which, false);
/** Both factors of a login that asks to trust its device. */
const trustBy = (what: Proof, remembers: (step: Step) => Step): Step[] => {
  if (what === 'passkey')
    return [login, new keys.Sign('verify', 0, 0), remembers(new keys.Present(0, null, null, false))];
  return [login, remembers(what === 'totp' ? new flow.VerifyTotp(0, 0, 0) : new flow.VerifyBackupCode(0, 0))];
};
const proofs = fc.constantFrom<Proof[]>('totp', 'totp', 'passkey', 'passkey', 'paper');
const trust = fc
  .tuple(kind, browser, proofs)
  .map(([of, from, by]) => new Flow(trustBy(by, (step) => new devices.Remember(of, from, step))));
const password = fc.constantFrom('v1', 'v2', null).map((version) => new devices.ChangePassword(version));

/** What the rest of the model gives. */
interface Given {
  /** Second steps by a code. */
  verify: fc.Arbitrary<Step>;
  /** Responses of passkeys. */
  present: fc.Arbitrary<Step>;
  change: (name: ChangeName) => fc.Arbitrary<Change>;
  /** After these, the user has an app and nothing else, and no policy applies. */
  onlyApp: readonly Step[];
  /** Further commands that may end trust. */
  ends: fc.Arbitrary<Step>[];
}

/** Commands about trusted devices. */
export function deviceCommands({ verify, present, change, onlyApp, ends }: Given): fc.Arbitrary<Command>[] {
  const remember = fc
    .tuple(kind, browser, fc.oneof(verify, present))
    .map(([of, from, step]) => new Flow([login, new devices.Remember(of, from, step)]));
  /** What ends trust, and what does not. */
  const ending = fc.oneof(
    ...[...ends, password, few.map((device) => new devices.Revoke(device))],
    ...(['regenerate', 'remove', 'disable'] as const).map(change),
    { weight: 4, arbitrary: fc.constantFrom(1, 60, 61, 86_399, 86_400).map((seconds) => new flow.Advance(seconds)) },
    fc.constantFrom(
      new flow.Invalidate(),
      new devices.RevokeDevices(),
      new devices.PasswordChanged(),
      new flow.Cleanup(),
    ),
  );
  /** A new device that is used by its secrets, before and after something. */
  const trustAndUse = fc.tuple(kind, browser, fc.nat(3), ending, fc.nat(3)).map(([of, from, uses, event, last]) => {
    const first = trustBy('totp', (step) => new devices.Remember(of, from, step));
    const rotations = Array.from({ length: uses }, () => fromNewest(0));
    const start = [...onlyApp, new flow.Advance(30), ...first, ...rotations];
    return new Flow([...start, event, fromNewest(last), fromNewest(0)]);
  });

  /** As often as it stands here. */
  return [
    ...[trust, trust, remember, logInFrom, logInFrom, logInFrom, trustAndUse, trustAndUse, trustAndUse],
    ...[trustAndUse, trustAndUse, trustAndUse],
    ...[password, few.map((device) => new devices.Revoke(device)), fc.constant(new devices.RevokeDevices())],
    fc.constant(new devices.PasswordChanged()),
  ];
}
