import { Controller, Get, Injectable, Post, Body } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import request from 'supertest';
import {
  MfaChallengeService,
  MfaEnrollmentService,
  MfaFactor,
  RequireMfa,
  SkipMfa,
  type MfaFactorProof,
  type MfaFactorUser,
} from 'nestjs-mfa';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

/** A one-time password of a hardware token. RFC 8176: `hwk` = proof of possession of a hardware-secured key. */
@Injectable()
class TokenFactor extends MfaFactor {
  readonly method = 'hotp';
  readonly budget = 'other';
  match({ code }: MfaFactorProof, { ids }: MfaFactorUser) {
    if (!code.startsWith('H')) return null;
    return { id: ids[0]!, amr: ['otp', 'hwk'], spend: { item: code, expiresAt: null } };
  }
  describe(_: string, ids: readonly string[]) {
    return ids.map((id) => ({ id, name: 'token', createdAt: new Date(0), lastUsedAt: null }));
  }
  forget() {}
}

@Controller()
class AdminController {
  constructor(private readonly challenges: MfaChallengeService) {}
  @Get('admin')
  @RequireMfa({ phishingResistant: true })
  admin() {
    return { admin: true };
  }
  /** A login that continues another session, and passes its `amr` on: another tenant, a refresh, a passkey-first login. */
  @Post('login-again')
  @SkipMfa()
  again(@Body() { user, amr }: { user: string; amr: string[] }) {
    return this.challenges.issue(user, { amr });
  }
}

describe('what phishingResistant reads', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({
      options: { ...FEW_CODES, ...PASSKEYS, factors: [TokenFactor] },
      controllers: [AdminController],
    });
  });
  afterAll(() => host.close());

  it('S87 a fresh TOTP login after a stale passkey session does not satisfy phishingResistant', async () => {
    const user = new PasskeyClient(host, 'a1');
    const { authenticator } = await user.enroll();
    await user.addPasskey(newKey(), { code: authenticator.code() });
    host.clock.advance(30);
    const stale = ['pwd', 'hwk', 'user', 'mfa'];
    const { body } = await request(user.server).post('/login-again').send({ user: 'a1', amr: stale }).expect(201);
    const login = await user.verify(body.mfa_token, authenticator.code()).expect(200);
    const phished = new PasskeyClient(host, 'a1', login.body.accessToken);
    expect(host.state.completedLogins.at(-1)!.amr).not.toContain('hwk');
    expect((await phished.get('/admin')).status).toBe(401);
  });

  it('S87 a code, which can be phished, never satisfies phishingResistant, whatever amr its factor names', async () => {
    const user = new PasskeyClient(host, 'a2');
    const principal = { userId: 'a2', accountName: 'a2', sessionId: 's' };
    await host.app
      .get(MfaEnrollmentService)
      .activate(principal, { type: 'hotp', id: 'h1', name: 'token' }, { password: PASSWORD });
    const answer = await user.post('/mfa/step-up', { code: 'H00001', method: 'hotp' }).expect(200);
    expect(answer.body.amr).not.toContain('hwk');
    expect((await user.get('/admin')).status).not.toBe(200);
  });
});
