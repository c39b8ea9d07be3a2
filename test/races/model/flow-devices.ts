import { expect } from 'vitest';
import { MfaAdminService, MfaDeviceService } from 'nestjs-mfa';
import { FakeResponse } from '../../support/in-memory-devices.js';
import { BY_TEST } from '../../support/reset.js';
import type { DeviceKind } from './device-model.js';
import { logIn } from './flow-logins.js';
import type { Model } from './flow-model.js';
import { outcome, pick, type Real, Step } from './flow-step.js';

/** The login of the step inside asks to trust its device. */
export class Remember extends Step {
  /** @param browser whose browser it is, counted from the newest; `null` = a new one */
  constructor(
    readonly kind: DeviceKind,
    readonly browser: number | null,
    readonly step: Step,
  ) {
    super();
  }
  override check(model: Readonly<Model>): boolean {
    return this.step.check(model);
  }
  async run(model: Model, real: Real): Promise<void> {
    const browsers = model.devices.all.filter(({ kind }) => kind === 'cookie').toReversed();
    const browser = (this.browser !== null && pick(browsers, this.browser)) || null;
    real.trust = { kind: this.kind, browser, response: new FakeResponse() };
    await this.step.run(model, real).finally(() => (real.trust = null));
  }
  override toString(): string {
    return `Remember(${this.kind}, ${this.browser}, ${this.step.toString()})`;
  }
}

/** The first factor of a login, from a device that is trusted or was. */
export class LogInFrom extends Step {
  /**
   * @param device 0 = the newest
   * @param secret 0 = the current one, 1 = the one before; `null` = one that it never received
   */
  constructor(
    readonly device: number,
    readonly secret: number | null,
    readonly asToken: boolean,
  ) {
    super();
  }
  override check = (model: Readonly<Model>) => model.devices.all.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const device = pick(model.devices.all.toReversed(), this.device)!;
    const secret = this.secret === null ? null : this.secret % device.received.length;
    await logIn(model, real, { device, secret, as: this.asToken ? 'token' : device.kind });
  }
}

/** The owner ends the trust in one device. */
export class Revoke extends Step {
  constructor(readonly device: number) {
    super();
  }
  override check = (model: Readonly<Model>) => model.devices.all.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const device = pick(model.devices.all.toReversed(), this.device)!;
    const result = await outcome(() => real.get(MfaDeviceService).revoke(real.principal, device.id));
    expect(result).toBe(device.gone ? 'MFA_DEVICE_NOT_FOUND' : 'OK');
    device.gone = true;
  }
}

export class RevokeDevices extends Step {
  async run(model: Model, real: Real): Promise<void> {
    await real.get(MfaAdminService).revokeDevices(real.userId, BY_TEST);
    model.devices.remove();
  }
}

/** The password changes, and the module learns it by the next login. */
export class ChangePassword extends Step {
  /** @param version `null` = the user has no password any more */
  constructor(readonly version: string | null) {
    super();
  }
  run(model: Model): Promise<void> {
    model.credentialVersion = this.version;
    return Promise.resolve();
  }
}

/** The host reports a change of the password. */
export class PasswordChanged extends Step {
  async run(model: Model, real: Real): Promise<void> {
    await real.get(MfaAdminService).passwordChanged(real.userId, BY_TEST);
    model.stampChanged();
    Object.values(model.budgets).forEach((budget) => budget.endLock());
  }
}
