import { Injectable, type ExecutionContext } from '@nestjs/common';
import { defer, of } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MfaChange, MfaEvent, MfaLogin, MfaPrincipal, MfaStepUp } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

/** A host whose sessions are in another service: every method returns what a `ClientProxy` returns, a cold Observable. */
@Injectable()
class ObservableHost extends TestHost {
  override principal(context: ExecutionContext): MfaPrincipal | null {
    return defer(() => of(super.principal(context))) as never;
  }

  override completeLogin(login: MfaLogin, context: ExecutionContext): unknown {
    return defer(() => of(super.completeLogin(login, context)));
  }

  override completeStepUp(stepUp: MfaStepUp, context: ExecutionContext): unknown {
    return defer(() => of(super.completeStepUp(stepUp, context)));
  }

  override verifyPassword(principal: MfaPrincipal, password: string): boolean {
    return defer(() => of(super.verifyPassword(principal, password))) as never;
  }

  override revokeSessions(change: MfaChange, context: ExecutionContext | undefined): unknown {
    return defer(() => of(super.revokeSessions(change, context)));
  }

  override notify(event: MfaEvent): void {
    return defer(() => of(super.notify(event))) as never;
  }
}

describe('a host whose methods return Observables, as handlers of Nest may', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ host: ObservableHost, options: FEW_CODES });
  });
  afterAll(() => host.close());

  it('S60 S72 is awaited: sessions begin, gain the second factor and end before the response', async () => {
    const ann = new Client(host, 'ann');
    const { authenticator } = await ann.enroll();
    expect(host.state.revocations).toContain('mfa.authenticator.confirmed ann');
    expect(host.state.events.map(({ type }) => type)).toContain('mfa.authenticator.confirmed');
    const session = await ann.signIn(authenticator.code());
    await session.get('/payouts').expect(200);
    host.clock.advance(301);
    const raised = await session.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    expect(raised.body.session).toEqual({ renewed: true });
    await session.get('/transfers').expect(200);
    host.clock.advance(30);
    await session.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    await session.get('/payouts').expect(403, /MFA_ENROLLMENT_REQUIRED/);
  });

  it('S71 refuses the login of a user whom it blocked meanwhile', async () => {
    const bob = new Client(host, 'bob');
    const { authenticator } = await bob.enroll();
    const token = await bob.login();
    host.state.blocked.add('bob');
    await bob.verify(token, authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
  });
});
