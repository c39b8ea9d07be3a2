import { MfaChallengeService, type MfaChallengeResult, type MfaLogin, type MfaSetup } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { expect } from 'vitest';
import type { Enrollment, Model, Owner } from './flow-model.js';
import type { Real } from './flow-step.js';

/** The first factor of a login, and what it must lead to (S100). */
export async function logIn(model: Model, real: Real): Promise<void> {
  const { userId, now } = real;
  const result = await real.get(MfaChallengeService).issue(userId, { accountName: 'model@example.test' });
  const due = model.see(now);
  if (model.isEnabled) {
    const methods = model.methods.filter((method) => model.passes(method));
    expect(result).toMatchObject({ mfaRequired: true, methods });
    expect(result.enrollmentRequired).toBeUndefined();
    model.tokens.push({ text: tokenOf(result), expiresAt: now + 300, dead: false });
    return;
  }
  if (model.mustEnroll) enrolls(model, real, result, { reason: 'reset', policyId: null, proved: false });
  else if (due !== null && now >= due) {
    enrolls(model, real, result, { reason: 'policy', policyId: model.policy!.id, proved: false });
  } else opened(real, result, { factor: null, due });
}

/** A second factor was accepted. The user has a session, or must enroll first (S102, S104). */
export function passed(model: Model, real: Real, result: MfaChallengeResult, factor: string): void {
  if (factor === 'recovery_code')
    return enrolls(model, real, result, { reason: 'recovery', policyId: null, proved: false });
  const due = model.hasAllowed ? null : model.see(real.now);
  if (due === null || real.now < due) return opened(real, result, { factor, due });
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
  { factor, due }: { factor: string | null; due: number | null },
): void {
  if (result.mfaRequired) expect.fail('a second step is required where the login is complete');
  const enrollmentDueAt = due === null ? null : new Date(due * 1000);
  expect(result.login).toMatchObject({ userId: real.userId, factor, enrollmentDueAt } satisfies Partial<MfaLogin>);
  real.logins.push(result.login);
}

function tokenOf(result: MfaChallengeResult): string {
  if (!result.mfaRequired) expect.fail('no second step is required');
  return result.mfa_token;
}
