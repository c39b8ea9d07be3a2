import { Injectable, type ExecutionContext } from '@nestjs/common';
import request from 'supertest';
import type { MfaEnrollmentReason, MfaLogin, MfaMethod, MfaPolicy } from 'nestjs-mfa';
import { VirtualAuthenticator, type VirtualPasskey } from 'nestjs-mfa/testing';
import { TestHost, type HostApp } from './host-app.js';
import { PasskeyClient, PASSKEYS } from './passkey-client.js';

/** Every user must have a factor, at once. */
export const REQUIRED: MfaPolicy = { id: 'everyone', required: true };

/** A host whose policy and authorization a test sets. */
@Injectable()
export class PolicyHost extends TestHost {
  static policyOf: (userId: string) => MfaPolicy | null = () => null;
  static authorizes: (userId: string, reason: MfaEnrollmentReason) => boolean | Promise<boolean> = () => true;
  /** The calls of `authorizeEnrollment`. */
  static asked: [userId: string, reason: MfaEnrollmentReason][] = [];

  /** Runs before a login is completed. */
  static beforeLogin: () => unknown = () => undefined;

  static restore(): void {
    PolicyHost.beforeLogin = () => undefined;
    PolicyHost.policyOf = () => null;
    PolicyHost.authorizes = () => true;
    PolicyHost.asked = [];
  }

  override async completeLogin(login: MfaLogin, context: ExecutionContext) {
    await PolicyHost.beforeLogin();
    return super.completeLogin(login, context);
  }

  override policy(userId: string) {
    return PolicyHost.policyOf(userId);
  }

  override authorizeEnrollment(userId: string, { reason }: { reason: MfaEnrollmentReason }) {
    PolicyHost.asked.push([userId, reason]);
    return PolicyHost.authorizes(userId, reason);
  }
}

/** The setup of an application with policies, passkeys and few backup codes. */
export const POLICIES = { host: PolicyHost, namesAccounts: true, options: { ...PASSKEYS, backupCodes: { count: 4 } } };

/** The result of a login that must enroll. */
export interface EnrollmentLogin {
  mfaRequired: true;
  enrollmentRequired: true;
  mfa_token: string;
  methods: [];
  enrollmentMethods: MfaMethod[];
  expiresIn: number;
}

/** A user whose login leads to an enrollment. */
export class EnrollingClient extends PasskeyClient {
  /** The first factor, after which the user must enroll. */
  async mustEnroll(): Promise<EnrollmentLogin> {
    const { body } = await this.loginAnswer().expect(201);
    if (!body.enrollmentRequired) throw new Error(`no enrollment is required: ${JSON.stringify(body)}`);
    return body;
  }

  /** A request without a session. */
  send(path: string, body: object) {
    return request(this.server).post(path).send(body);
  }

  /** Setup of an authenticator app by a token. The response of the confirmation is not awaited. */
  async setupTotpBy(mfa_token: string, proof: object = {}): Promise<VirtualAuthenticator> {
    const setup = await this.send('/mfa/totp/setup', { mfa_token, ...proof }).expect(200);
    return new VirtualAuthenticator(setup.body.otpauthUri, this.host.clock);
  }

  /** Enrolls an authenticator app within the login. */
  async enrollTotpBy(mfa_token: string, proof: object = {}) {
    const authenticator = await this.setupTotpBy(mfa_token, proof);
    const confirmed = await this.send('/mfa/totp/confirm', { mfa_token, code: authenticator.code() });
    return { authenticator, confirmed };
  }

  /** Enrolls a passkey within the login. */
  async enrollPasskeyBy(mfa_token: string, key: VirtualPasskey, proof: object = {}) {
    const setup = await this.send('/mfa/passkeys/setup', { mfa_token, ...proof }).expect(200);
    return this.send('/mfa/passkeys/confirm', { mfa_token, passkey: key.create(setup.body.options) });
  }
}

export const newUser = (host: HostApp, name: string): EnrollingClient => new EnrollingClient(host, name);
