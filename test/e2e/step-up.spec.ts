import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { ADAPTERS, BareHost, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';

describe.each(ADAPTERS)('step-up over %s', (adapter) => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `stepping-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ adapter, options: FEW_CODES });
  });
  afterAll(() => host.close());

  it('S49 RFC 9470: a refusal names the missing factor, and how fresh it must be', async () => {
    const user = await newUser().enrolledElsewhere();
    const answer = await user.get('/transfers').expect(401);
    expect(answer.body).toEqual({
      statusCode: 401,
      code: 'MFA_STEP_UP_REQUIRED',
      message: 'A more recent second factor is required.',
      error: 'Unauthorized',
    });
    expect(answer.get('WWW-Authenticate')).toBe(
      'Bearer error="insufficient_user_authentication", error_description="A more recent second factor is required", max_age="300"',
    );
    expect(answer.get('Cache-Control')).toBe('no-store');
  });

  it('S49 RFC 9470: a refusal names no age when the route requires none', async () => {
    const user = await newUser().enrolledElsewhere();
    const answer = await user.get('/payouts').expect(401);
    expect(answer.get('WWW-Authenticate')).toBe(
      'Bearer error="insufficient_user_authentication", error_description="A more recent second factor is required"',
    );
  });

  it('S49 gives amr and time to the host, and the session then passes until it is too old', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const session = await user.signIn(authenticator.code());
    host.clock.advance(301);
    await session.get('/payouts').expect(200);
    await session.get('/transfers').expect(401, /MFA_STEP_UP_REQUIRED/);
    const { body } = await session.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    expect(body).toEqual({
      amr: ['pwd', 'otp', 'mfa'],
      mfaAt: new Date(host.clock.nowMs()).toISOString(),
      session: { renewed: true },
    });
    host.clock.advance(300);
    await session.get('/transfers').expect(200);
    host.clock.advance(1);
    await session.get('/transfers').expect(401, /MFA_STEP_UP_REQUIRED/);
  });

  it.each(['pwd mfa', 7, [null]])('S67 works where the principal has the unusable amr %j', async (amr) => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const mfaAt = new Date(host.clock.nowMs());
    const session = new Client(host, user.userId, host.state.signIn(user.userId, { amr: amr as never, mfaAt }));
    await session.get('/payouts').expect(401, /MFA_STEP_UP_REQUIRED/);
    const { body } = await session.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    expect(body.amr).toEqual(['otp', 'mfa']);
  });

  it('S49 a backup code adds only mfa to amr', async () => {
    const user = newUser();
    const { backupCodes } = await user.enroll();
    const session = new Client(host, user.userId, host.state.signIn(user.userId, { amr: ['pwd'] }));
    const { body } = await session.post('/mfa/step-up', { code: backupCodes[0] }).expect(200);
    expect(body.amr).toEqual(['pwd', 'mfa']);
  });

  it('S49 a failed step-up changes nothing about the session', async () => {
    const user = newUser();
    await user.enroll();
    const session = new Client(host, user.userId);
    const before = { ...host.state.sessions.get(session.session) };
    await session.post('/mfa/step-up', { code: '000000' }).expect(401, /MFA_CODE_REJECTED/);
    expect(host.state.sessions.get(session.session)).toEqual(before);
    await session.get('/payouts').expect(401);
  });

  it('is refused where MFA is not enabled', async () => {
    await newUser()
      .post('/mfa/step-up', { code: '123456' })
      .expect(409, /MFA_NOT_ENABLED/);
  });

  it('S48 S27 refuses a right code of another user', async () => {
    const [alice, bob] = [newUser(), newUser()];
    const { authenticator } = await alice.enroll();
    await bob.enroll();
    const { userId } = alice;
    await bob
      .post('/mfa/step-up', { code: authenticator.code(), userId, sub: userId })
      .expect(401, /MFA_CODE_REJECTED/);
    await alice.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
  });
});

describe('a host without completeStepUp', () => {
  it('returns 404 for a step-up, as for an unknown route, and warns at boot', async () => {
    const warnings: unknown[] = [];
    const quiet = () => undefined;
    const logger = { log: quiet, error: quiet, warn: (message: unknown) => warnings.push(message) };
    const host = await startHostApp({
      host: BareHost,
      logger,
      options: { ...FEW_CODES, enrollment: { proof: 'session-only' } },
    });
    const user = new Client(host, 'bare');
    const unknown = (path: string) => ({ statusCode: 404, message: `Cannot POST ${path}`, error: 'Not Found' });
    for (const each of [user, new Client(host, 'bare', 'none')]) {
      await each.post('/mfa/step-up', { code: '123456' }).expect(404, unknown('/mfa/step-up'));
      await each.post('/mfa/step-off', { code: '123456' }).expect(404, unknown('/mfa/step-off'));
    }
    expect(warnings).toContainEqual(expect.stringMatching(/completeStepUp.*returns 404/));
    const { authenticator } = await user.enroll();
    const session = await user.signIn(authenticator.code());
    await session.get('/transfers').expect(200);
    await host.close();
  });
});
