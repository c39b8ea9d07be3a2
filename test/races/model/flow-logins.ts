import { MfaChallengeService, type MfaChallengeResult, type MfaLogin, type MfaSetup } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { expect } from 'vitest';
import { FakeResponse, sentBack } from '../../support/in-memory-devices.js';
import type { Enrollment, Model, Owner } from './flow-model.js';
import { DEVICE_DAYS, type Device, type DeviceUse } from './device-model.js';
import type { Real } from './flow-step.js';

const TRUSTED = 'mfa.device.trusted';

/** The first factor of a login, with or without a device, and what it must lead to (S100, S111). */
export async function logIn(model: Model, real: Real, use?: DeviceUse): Promise<void> {
  const { userId, now } = real;
  const { credentialVersion } = model;
  const response = new FakeResponse();
  const options = { accountName: 'model@example.test', credentialVersion, ...presented(use, response) };
  const result = await real.get(MfaChallengeService).issue(userId, options);
  const due = model.see(now);
  const isTrusted = use && model.isEnabled && model.devices.use(use, model.trusts(use.device), now);
  expect(response.cookies).toHaveLength(isTrusted && use.as === 'cookie' ? 1 : 0);
  if (isTrusted) {
    received(use, response, now);
    opened(real, result, { factor: null, due: null, mfaAt: use.device.mfaAt });
    return;
  }
  if (model.isEnabled) {
    const methods = model.methods.filter((method) => model.passes(method));
    expect(result).toMatchObject({ mfaRequired: true, methods });
    expect(result.enrollmentRequired).toBeUndefined();
    model.tokens.push({ text: tokenOf(result), expiresAt: now + 300, dead: false, version: credentialVersion });
    return;
  }
  if (model.mustEnroll) enrolls(model, real, result, { reason: 'reset', policyId: null, proved: false });
  else if (due !== null && now >= due) {
    enrolls(model, real, result, { reason: 'policy', policyId: model.policy!.id, proved: false });
  } else opened(real, result, { factor: null, due });
}

/** A second factor was accepted. The user has a session, or must enroll first (S102, S104). */
export function passed(
  model: Model,
  real: Real,
  result: MfaChallengeResult,
  { factor, version }: { factor: string; version: string | null },
): void {
  if (factor === 'recovery_code')
    return enrolls(model, real, result, { reason: 'recovery', policyId: null, proved: false });
  const due = model.hasAllowed ? null : model.see(real.now);
  if (due === null || real.now < due) {
    opened(real, result, { factor, due });
    trusted(model, real, { factor, version });
    return;
  }
  enrolls(model, real, result, { reason: 'policy', policyId: model.policy!.id, proved: true });
}

/** A setup of an app was started, or continued by its owner. */
export function pended(model: Model, real: Real, setup: MfaSetup, owner: Owner): void {
  const { pending } = model;
  const device = new VirtualAuthenticator(setup.otpauthUri, real.host.clock);
  const isContinued = pending?.owner === owner && real.now < pending.expiresAt;
  expect(setup.resumed).toBe(isContinued);
  if (isContinued) expect(device.code()).toBe(pending.device.code());
  else {
    const expiresAt = real.now + 600;
    model.pending = { id: setup.authenticatorId, device, owner, spent: new Set(), expiresAt };
  }
}

function enrolls(
  model: Model,
  real: Real,
  result: MfaChallengeResult,
  by: Pick<Enrollment, 'reason' | 'policyId' | 'proved'>,
): void {
  const enrollmentMethods = ['totp', 'passkey'].filter((method) => model.allows(method));
  expect(result).toMatchObject({ enrollmentRequired: true, methods: [], enrollmentMethods, expiresIn: 900 });
  const text = tokenOf(result);
  model.enrollments.push({ ...by, text, expiresAt: real.now + 900, dead: false, authorized: false });
}

function opened(
  real: Real,
  result: MfaChallengeResult,
  { factor, due, mfaAt }: { factor: string | null; due: number | null; mfaAt?: number },
): void {
  if (result.mfaRequired) expect.fail('a second step is required where the login is complete');
  const enrollmentDueAt = due === null ? null : new Date(due * 1000);
  expect(result.login).toMatchObject({ userId: real.userId, factor, enrollmentDueAt } satisfies Partial<MfaLogin>);
  if (factor === null) expect(result.login.mfaAt).toEqual(mfaAt === undefined ? null : new Date(mfaAt * 1000));
  real.logins.push(result.login);
}

/** What a login presents of its device. */
function presented(use: DeviceUse | undefined, response: FakeResponse) {
  if (!use) return {};
  const { device, secret, as } = use;
  const newest = device.received[0]!;
  const text = secret === null ? newest.slice(0, -43) + 'A'.repeat(43) : device.received[secret]!;
  if (as === 'cookie') return { device: { request: { headers: { cookie: text } }, response } };
  return { deviceToken: text.slice(text.indexOf('=') + 1) };
}

/** By the current secret, the browser receives the next one. By the previous one, it receives the current one (S112). */
function received({ device, secret }: DeviceUse, { cookies }: FakeResponse, now: number): void {
  if (device.kind === 'token') return;
  const next = sentBack(cookies);
  if (secret !== 0) {
    expect(next).toBe(device.received[0]);
    return;
  }
  expect(device.received).not.toContain(next);
  device.received.unshift(next);
  device.rotatedAt = now;
}

/** The device is trusted exactly where the login asked for it, by an app or a passkey that the policy allows (S113). */
function trusted(model: Model, real: Real, by: { factor: string; version: string | null }): void {
  const { trust, now } = real;
  const { mfaAt, deviceToken } = real.logins.at(-1)!;
  const { policy } = model;
  const may = ['totp', 'passkey'].includes(by.factor) && policy?.trustedDevices !== false && model.allows(by.factor);
  const given = [...(trust?.response.cookies ?? []), ...(deviceToken === undefined ? [] : [deviceToken])];
  expect(given).toHaveLength(trust && may ? 1 : 0);
  if (!trust || !may) return;
  const { kind, browser, response } = trust;
  const event = real.host.state.events.findLast(({ userId, type }) => userId === real.userId && type === TRUSTED)!;
  const device: Device = {
    ...{ id: (event as { device: { id: string } }).device.id, kind, method: by.factor, version: by.version },
    received: [kind === 'cookie' ? sentBack(response.cookies) : deviceToken!],
    ...{ createdAt: now, usedAt: now, rotatedAt: now, expiresAt: now + DEVICE_DAYS * 86_400 },
    ...{ mfaAt: mfaAt!.getTime() / 1000, dead: false, gone: false },
  };
  model.devices.add(device, kind === 'cookie' ? browser : null, now);
}

function tokenOf(result: MfaChallengeResult): string {
  if (!result.mfaRequired) expect.fail('no second step is required');
  return result.mfa_token;
}
