import { Body, Controller, Get, Post } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CurrentPrincipal,
  MfaContext,
  MfaVerificationService,
  RequireMfa,
  SkipMfa,
  type MfaPrincipal,
} from 'nestjs-mfa';
import { FEW_CODES, HostState, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

@Controller()
class OwnStepUp {
  constructor(
    private readonly verification: MfaVerificationService,
    private readonly state: HostState,
  ) {}
  /** What docs/guides/graphql.md does with the result. */
  @Post('own-step-up')
  @SkipMfa()
  async stepUp(
    @CurrentPrincipal() principal: MfaPrincipal,
    @Body() { code }: { code: string },
    @MfaContext() context: ExecutionContext,
  ) {
    const { amr, mfaAt } = await this.verification.stepUp(principal, { code }, context);
    for (const session of this.state.sessions.values()) {
      if (session.sessionId !== principal.sessionId) continue;
      Object.assign(session, { amr, mfaAt });
    }
    return {};
  }
  @Get('admin')
  @RequireMfa({ phishingResistant: true, maxAgeSeconds: 300 })
  admin() {
    return { admin: true };
  }
}

describe('a step-up over own controllers, as the guide writes it', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ options: { ...FEW_CODES, ...PASSKEYS }, controllers: [OwnStepUp] });
  });
  afterAll(() => host.close());

  it('S87 a stale passkey session with a fresh TOTP step-up does not satisfy phishingResistant', async () => {
    const user = new PasskeyClient(host, 's1');
    const { authenticator } = await user.enroll();
    const key = newKey();
    await user.addPasskey(key, { code: authenticator.code() });
    const login = await user.signInByPasskey(key);
    const session = new PasskeyClient(host, 's1', login.body.accessToken);
    expect((await session.get('/admin')).status).toBe(200);
    host.clock.advance(3600);
    expect((await session.get('/admin')).status).toBe(401);
    // A thief with the stolen session and a phished code.
    await session.post('/own-step-up', { code: authenticator.code() }).expect(201);
    expect((await session.get('/admin')).status).toBe(401);
  });
});
