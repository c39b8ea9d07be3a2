import { BY_TEST, RESET } from './reset.js';
import { Injectable, type ExecutionContext } from '@nestjs/common';
import { expect } from 'vitest';
import { MfaAdminService, type MfaLogin, type MfaStepUp } from 'nestjs-mfa';
import type { Client } from './client.js';
import { TestHost, type HostApp } from './host-app.js';

/** Before its next `completeLogin` or `completeStepUp`, it waits for the work in `meanwhile`, once. */
@Injectable()
export class SlowHost extends TestHost {
  static meanwhile: (() => PromiseLike<unknown>) | null = null;

  override async completeLogin(login: MfaLogin, context: ExecutionContext): Promise<unknown> {
    await SlowHost.wait();
    return super.completeLogin(login, context);
  }

  override async completeStepUp(stepUp: MfaStepUp, context: ExecutionContext): Promise<unknown> {
    await SlowHost.wait();
    return super.completeStepUp(stepUp, context);
  }

  private static async wait(): Promise<void> {
    const work = SlowHost.meanwhile;
    SlowHost.meanwhile = null;
    await work?.();
  }
}

export type Enrolled = Awaited<ReturnType<Client['enroll']>> & { user: Client };
type Change = (enrolled: Enrolled, host: HostApp) => PromiseLike<unknown>;

const admin = (host: HostApp) => host.app.get(MfaAdminService, { strict: false });

/** What ends the tokens of a user, by its name. */
export const CHANGES: Readonly<Record<string, Change>> = {
  disable: ({ user, backupCodes }) => user.post('/mfa/disable', { code: backupCodes[0] }).expect(200),
  remove: ({ user, id, backupCodes }) =>
    user.post(`/mfa/authenticators/${id}/remove`, { code: backupCodes[0] }).expect(200),
  regenerate: ({ user, backupCodes }) =>
    user.post('/mfa/backup-codes/regenerate', { code: backupCodes[0] }).expect(200),
  reset: ({ user }, host) => admin(host).reset(user.userId, RESET),
  invalidate: ({ user }, host) => admin(host).invalidate(user.userId, BY_TEST),
  passwordChanged: ({ user }, host) => admin(host).passwordChanged(user.userId, BY_TEST),
  purgeUser: ({ user }, host) => admin(host).purgeUser(user.userId, BY_TEST),
};

export const sessionsWithSecondFactor = ({ userId }: Client, { state }: HostApp): { userId: string }[] =>
  [...state.sessions.values()].filter((session) => session.userId === userId && session.mfaAt);

/** The user has no session with a second factor, and the host was asked to end the sessions last. */
export function expectSuperseded(user: Client, host: HostApp): void {
  expect(sessionsWithSecondFactor(user, host)).toEqual([]);
  expect(host.state.revocations.at(-1)).toBe(`mfa.login.superseded ${user.userId}`);
}
