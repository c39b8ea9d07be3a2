import { BY_TEST, RESET } from './reset.js';
import {
  MfaAdminService,
  MfaBackupCodeService,
  MfaChallengeService,
  MfaCleanupService,
  MfaEnrollmentService,
  MfaVerificationService,
} from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaBackupCodeStore } from '../../libs/mfa/src/domain/backup-codes/backup-code.store.js';
import { SecretBox } from '../../libs/mfa/src/domain/secrets/secret-box.js';
import { PASSWORD, type HostApp } from './host-app.js';
import { sha256, startInterruptibleHost } from './interruptible-host.js';

/** What a random world does before and after each statement of a store. */
export interface Chaos {
  /** The probability that the process dies there: the statement is never answered. */
  dying: number;
  /** How long a change may take before it counts as dead, in milliseconds; left out = it always ends. */
  patienceMs?: number;
}

const plain = (code: string) => code.replace('-', '');

/** One user whose factors are changed by several requests at once. */
interface World {
  userId: string;
  /** Every authenticator that was confirmed, by its id. */
  devices: Map<string, VirtualAuthenticator>;
  /** Every set of codes that was shown. */
  sets: string[][];
  removed: Set<string>;
  /** Whether somebody switched MFA off and was told so. */
  off: boolean;
  /** What became of each change; left out = its process died. */
  outcome: Record<string, string>;
  started: string[];
}

export class RandomChanges {
  /** What is wrong, with the runs in which it was. */
  readonly problems: Record<string, string[]> = {};
  private host!: HostApp;
  private seed = 1;
  private isChaotic = false;

  constructor(private readonly chaos: Chaos) {}

  async start(): Promise<void> {
    this.host = await startInterruptibleHost(() => this.pause());
  }

  close(): Promise<void> {
    return this.host.close();
  }

  /** Changes of one user at once, then what is true afterwards, before and after the cleanup. */
  async run(number: number): Promise<void> {
    this.seed = number * 7919;
    const world: World = {
      userId: `random-${number}`,
      devices: new Map(),
      sets: [],
      removed: new Set(),
      off: false,
      outcome: {},
      started: [],
    };
    const changes = await this.changesOf(world);
    world.started = Object.keys(changes)
      .filter(() => this.random() < 0.4)
      .slice(0, 5);
    this.isChaotic = true;
    await Promise.all(world.started.map((name) => this.attempt(world, name, changes[name]!)));
    this.isChaotic = false;
    await this.lookAt(world, 'after the changes', 120);
    this.host.clock.advance(25 * 60);
    await this.port(MfaCleanupService).purge();
    await this.lookAt(world, 'after the cleanup', 0);
  }

  private async attempt({ outcome }: World, name: string, change: () => Promise<unknown>): Promise<void> {
    const done = change().then(
      () => void (outcome[name] = 'done'),
      (error: Error & { code?: string }) => void (outcome[name] = error.code ?? error.message),
    );
    const { patienceMs } = this.chaos;
    const patience = new Promise<void>((resolve) => setTimeout(resolve, patienceMs));
    await (patienceMs === undefined ? done : Promise.race([done, patience]));
  }

  /** The user has two authenticators and a setup that awaits its first code. */
  private async changesOf(world: World): Promise<Record<string, () => Promise<unknown>>> {
    const { userId, removed, sets, devices } = world;
    const principal = { userId, accountName: 'a@b.c' };
    const enrollment = this.port(MfaEnrollmentService);
    const [verification, challenges] = [this.port(MfaVerificationService), this.port(MfaChallengeService)];
    const [first, second] = [await this.enroll(world, { password: PASSWORD }), await this.enroll(world)];
    const pending = await enrollment.setup(principal, { code: first.device.code() });
    const third = new VirtualAuthenticator(pending.otpauthUri, this.host.clock);
    this.host.clock.advance(90);
    const proof = this.proofsOf([first.device, second.device], [...sets[0]!]);
    const remove = ({ id }: { id: string }) =>
      enrollment.remove(principal, id, { code: proof() }).then(() => removed.add(id));
    const regenerate = () =>
      this.port(MfaBackupCodeService)
        .regenerate(userId, { code: proof() })
        .then(({ backupCodes }) => sets.push(backupCodes));
    const switchedOff = () => (world.off = true);
    return {
      confirm: () =>
        enrollment.confirm(principal, third.code()).then(() => devices.set(pending.authenticatorId, third)),
      'remove the first': () => remove(first),
      'remove the second': () => remove(second),
      disable: () => enrollment.disable(principal, { code: proof() }).then(switchedOff),
      regenerate,
      'regenerate again': regenerate,
      revoke: () => this.port(MfaAdminService).invalidate(userId, BY_TEST),
      // A cleanup that died holds up the next one of its process.
      ...(this.chaos.dying > 0 ? {} : { clean: () => this.port(MfaCleanupService).purge() }),
      'set up': () => enrollment.setup(principal, { code: proof() }),
      verify: async () => {
        const issued = await challenges.issue(userId);
        if (issued.mfaRequired) await verification.verify(issued.mfa_token, { code: proof() });
      },
      ...(this.random() < 0.1
        ? { reset: () => this.port(MfaAdminService).reset(userId, RESET).then(switchedOff) }
        : {}),
    };
  }

  private async enroll(world: World, proof?: object): Promise<{ id: string; device: VirtualAuthenticator }> {
    const principal = { userId: world.userId, accountName: 'a@b.c' };
    const [earlier] = world.devices.values();
    const setup = await this.port(MfaEnrollmentService).setup(principal, proof ?? { code: earlier!.code() });
    const device = new VirtualAuthenticator(setup.otpauthUri, this.host.clock);
    const { backupCodes } = await this.port(MfaEnrollmentService).confirm(principal, device.code());
    if (backupCodes) world.sets.push(backupCodes);
    world.devices.set(setup.authenticatorId, device);
    this.host.clock.advance(90);
    return { id: setup.authenticatorId, device };
  }

  /** Each call returns another right code, of a phone or from paper. */
  private proofsOf(devices: readonly VirtualAuthenticator[], paper: string[]): () => string {
    const codes = [0, -1, 1].flatMap((steps) => devices.map((device) => device.code(steps)));
    return () => {
      const isFromPaper = this.random() < 0.3;
      const [code] = isFromPaper ? [] : codes.splice(Math.floor(this.random() * codes.length), 1);
      return code ?? paper.shift()!;
    };
  }

  private async lookAt(world: World, when: string, laterSeconds: number): Promise<void> {
    const { userId, devices, outcome, removed, off, started } = world;
    this.host.clock.advance(laterSeconds);
    await this.port(MfaAdminService).unlock(userId, BY_TEST);
    const note = (what: string) =>
      void (this.problems[what] ??= []).push(`${userId} ${when} ${JSON.stringify(outcome)}`);
    const snapshot = await this.port(MfaAccountStore).load(userId);
    if (!snapshot) return note('no account');
    const { activeFactors, backupSetId, pendingId } = snapshot.account;
    const activeIds = activeFactors.map((factor) => factor.id);
    const hasRow = (id: string) => snapshot.authenticators.some((row) => row.id === id);
    const died = (...names: string[]) => names.some((name) => started.includes(name) && outcome[name] === undefined);
    const isOn = activeIds.length > 0;
    const mayBeOff =
      off ||
      [...devices.keys()].every((id) => removed.has(id)) ||
      died('remove the first', 'remove the second', 'disable', 'reset');
    if (!activeIds.every(hasRow)) note('the account names an authenticator that was deleted');
    if (pendingId !== null && !hasRow(pendingId)) note('the account names a setup that was deleted');
    if (activeIds.some((id) => removed.has(id))) note('an authenticator that was removed is active');
    if (!isOn && !mayBeOff) note('MFA is off, and nobody switched it off');
    if (isOn && off) note('MFA is on after it was switched off');
    if (isOn && !died('regenerate', 'regenerate again') && !(await this.isShown(world, backupSetId)))
      note('the backup codes that count were shown to nobody');
    for (const [id, device] of devices) {
      if (isOn && (await this.verifies(userId, device)) !== activeIds.includes(id))
        note(activeIds.includes(id) ? 'a live authenticator does not verify' : 'a dead authenticator verifies');
    }
  }

  /** Whether the live set is one that was shown, and all of its codes are there. */
  private async isShown({ userId, sets }: World, setId: string | null): Promise<boolean> {
    if (setId === null) return false;
    const rows = await this.port(MfaBackupCodeStore).list(userId, setId);
    const box = this.port(SecretBox);
    const hashes = rows.map(({ id, hash }) =>
      box.open(hash, { purpose: 'backup-code', userId, credentialId: id }).toString(),
    );
    return sets.some((codes) => codes.every((code) => hashes.includes(sha256(plain(code)))));
  }

  private async verifies(userId: string, device: VirtualAuthenticator): Promise<boolean> {
    const issued = await this.port(MfaChallengeService).issue(userId);
    if (!issued.mfaRequired) return false;
    return this.port(MfaVerificationService)
      .verify(issued.mfa_token, { code: device.code() })
      .then(
        () => true,
        () => false,
      );
  }

  private port<T>(token: abstract new (...args: never[]) => T): T {
    return this.host.app.get<T>(token as never, { strict: false });
  }

  private random(): number {
    this.seed = (this.seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    return this.seed / 0x7fffffff;
  }

  private async pause(): Promise<void> {
    if (!this.isChaotic) return;
    if (this.random() < this.chaos.dying) await new Promise(() => undefined);
    for (let turns = Math.floor(this.random() * 12); turns > 0; turns -= 1)
      await new Promise((resolve) => setImmediate(resolve));
  }
}
