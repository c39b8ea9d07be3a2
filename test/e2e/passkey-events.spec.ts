import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { MfaEvent } from 'nestjs-mfa';
import { ADAPTERS, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

type Failed = Extract<MfaEvent, { type: 'mfa.verification.failed' }>;

const eventsOf = ({ state }: HostApp, { userId }: PasskeyClient) =>
  state.events.filter((each) => each.userId === userId);
const failuresOf = (host: HostApp, user: PasskeyClient) =>
  eventsOf(host, user).filter((each): each is Failed & MfaEvent => each.type === 'mfa.verification.failed');
const clonesOf = (host: HostApp, user: PasskeyClient) =>
  eventsOf(host, user).filter(({ type }) => type === 'mfa.passkey.clone_suspected');

/** A user with one passkey. */
async function ownerOf(host: HostApp, userId: string, key = newKey(), name?: string) {
  const user = new PasskeyClient(host, userId);
  await user.addPasskey(key, undefined, name);
  const { id, createdAt } = (await user.get('/mfa/status')).body.authenticators[0];
  return { user, key, id: id as string, createdAt: new Date(createdAt) };
}

/** Sends forged responses to one login. */
async function forge(user: PasskeyClient, key: ReturnType<typeof newKey>, times: number): Promise<void> {
  const { mfa_token, options } = await user.startPasskeyLogin();
  for (let sent = 0; sent < times; sent += 1)
    await user.verifyPasskey(mfa_token, key.get(options, { badSignature: true })).expect(401);
}

describe.each(ADAPTERS)('events of passkeys over %s', (adapter) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ adapter, options: { ...PASSKEYS, ...FEW_CODES } });
  });
  afterAll(() => host.close());
  afterEach(() => vi.useRealTimers());

  const single = { factor: 'passkey', failure: 'wrong_code', actor: { type: 'user' } };

  it('S65 25 refused responses in an hour are 20 events, and one of the other 5 with the next refusal after it', async () => {
    const { user, key } = await ownerOf(host, 'flooded');
    await forge(user, key, 15);
    host.clock.advance(3_599);
    await forge(user, key, 10);
    expect(failuresOf(host, user)).toHaveLength(20);
    host.clock.advance(1);
    await forge(user, key, 1);
    const failures = failuresOf(host, user);
    expect(failures).toHaveLength(22);
    expect(failures.filter(({ count }) => count === undefined)).toHaveLength(21);
    expect(failures.find(({ count }) => count !== undefined)).toMatchObject({ ...single, count: 5 });
    for (const failure of failures) expect(failure).toMatchObject({ ...single, actor: { id: 'flooded' } });
  });

  it('S65 the other 5 are an event within a minute after the hour, though no further request comes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const quiet = await startHostApp({ adapter, options: { ...PASSKEYS, ...FEW_CODES } });
    const { user, key } = await ownerOf(quiet, 'quiet');
    await forge(user, key, 25);
    quiet.clock.advance(3_599);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(failuresOf(quiet, user)).toHaveLength(20);
    quiet.clock.advance(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(failuresOf(quiet, user).map(({ count }) => count)).toEqual([...Array.from({ length: 20 }), 5]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    await forge(user, key, 22);
    await quiet.close();
    // A process that ends reports what it held back.
    expect(
      failuresOf(quiet, user)
        .slice(21)
        .map(({ count }) => count),
    ).toEqual([...Array.from({ length: 20 }), 2]);
  });

  it('S65 the refusals of one user do not hold back those of another, nor those at other routes', async () => {
    const { user, key } = await ownerOf(host, 'loud');
    const other = await ownerOf(host, 'calm');
    await forge(user, key, 21);
    await forge(other.user, other.key, 1);
    expect(failuresOf(host, other.user)).toHaveLength(1);
    const stepUp = await user.prove(key, 'step-up', { badSignature: true });
    await user.post('/mfa/step-up', { passkey: stepUp }).expect(401);
    expect(failuresOf(host, user)).toHaveLength(20);
    // A success is never held back.
    expect((await user.signInByPasskey(key)).status).toBe(200);
    expect(eventsOf(host, user).at(-1)).toMatchObject({ type: 'mfa.verification.succeeded', factor: 'passkey' });
  });

  it('S65 S83 a counter of a device-bound key that goes back is the event of a suspected clone', async () => {
    const { user, key, id, createdAt } = await ownerOf(host, 'cloned', newKey(), 'Token');
    expect((await user.signInByPasskey(key, { counter: 9 })).status).toBe(200);
    for (const counter of [9, 8, 0]) expect((await user.signInByPasskey(key, { counter })).status).toBe(401);
    const authenticator = { id, type: 'passkey', name: 'Token', createdAt };
    expect(clonesOf(host, user)).toMatchObject(Array.from({ length: 3 }, () => ({ authenticator })));
    expect(failuresOf(host, user).map(({ failure }) => failure)).toEqual(Array(3).fill('clone_suspected'));
    expect((await user.signInByPasskey(key, { counter: 10 })).status).toBe(200);
    expect(clonesOf(host, user)).toHaveLength(3);
  });

  it('S65 S83 a counter of a synced key that goes back is accepted, and no event', async () => {
    const { user, key } = await ownerOf(host, 'synced', newKey({ synced: true, counter: 'increments' }));
    for (const counter of [9, 8, 0, 8]) expect((await user.signInByPasskey(key, { counter })).status).toBe(200);
    expect(clonesOf(host, user)).toEqual([]);
    expect(failuresOf(host, user)).toEqual([]);
  });

  it('S65 S83 a forged response with an old counter is not the event of a suspected clone', async () => {
    const { user, key } = await ownerOf(host, 'slandered');
    expect((await user.signInByPasskey(key, { counter: 9 })).status).toBe(200);
    expect((await user.signInByPasskey(key, { counter: 1, badSignature: true })).status).toBe(401);
    expect(failuresOf(host, user).map(({ failure }) => failure)).toEqual(['wrong_code']);
    expect(clonesOf(host, user)).toEqual([]);
  });

  it('S65 S83 a response that is sent again is spent, and not the event of a suspected clone', async () => {
    const { user, key } = await ownerOf(host, 'repeating');
    const passkey = await user.prove(key, 'step-up');
    await user.post('/mfa/step-up', { passkey }).expect(200);
    await user.post('/mfa/step-up', { passkey }).expect(401);
    // The key was used again in the meantime, so the counter of the old response is below the stored one.
    await user.post('/mfa/step-up', { passkey: await user.prove(key, 'step-up') }).expect(200);
    await user.post('/mfa/step-up', { passkey }).expect(401);
    expect(failuresOf(host, user).map(({ failure }) => failure)).toEqual(['already_spent', 'already_spent']);
    expect(clonesOf(host, user)).toEqual([]);
  });

  it('S65 setup, confirmation, rename and removal of a passkey are events with its type', async () => {
    const { user, key, id, createdAt } = await ownerOf(host, 'changing', newKey(), 'Laptop');
    await user.patch(`/mfa/authenticators/${id}`, { name: 'Old laptop' }).expect(200);
    const spare = newKey({ synced: true });
    await user.addPasskey(spare, { passkey: await user.prove(key) });
    const views = (await user.get('/mfa/status')).body.authenticators as { id: string; createdAt: string }[];
    const second = views.find((each) => each.id !== id)!;
    await user.post(`/mfa/authenticators/${id}/remove`, { passkey: await user.prove(spare) }).expect(200);
    await user.post(`/mfa/authenticators/${second.id}/remove`, { passkey: await user.prove(spare) }).expect(200);

    const laptop = { id, type: 'passkey', name: 'Laptop', createdAt };
    const other = { id: second.id, type: 'passkey', name: 'Passkey', createdAt: new Date(second.createdAt) };
    const told = eventsOf(host, user).filter(({ type }) => type !== 'mfa.verification.succeeded');
    expect(told).toMatchObject([
      { type: 'mfa.setup.started', method: 'passkey' },
      { type: 'mfa.authenticator.confirmed', authenticator: laptop },
      {
        type: 'mfa.authenticator.renamed',
        authenticator: { ...laptop, name: 'Old laptop' },
        previousName: 'Laptop',
      },
      { type: 'mfa.setup.started', method: 'passkey' },
      { type: 'mfa.authenticator.confirmed', authenticator: other },
      { type: 'mfa.authenticator.removed', authenticator: { ...laptop, name: 'Old laptop' } },
      { type: 'mfa.disabled', authenticator: other },
    ]);
    for (const event of told)
      expect(event).toMatchObject({ userId: 'changing', actor: { type: 'user', id: 'changing' } });
  });

  it('S65 a refused registration is the event of a failed confirmation, and counts among the 20', async () => {
    const user = new PasskeyClient(host, 'registering');
    const { body } = await user.setupPasskey().expect(200);
    const forged = newKey().create(body.options, { origin: 'http://evil.example' });
    for (let sent = 0; sent < 22; sent += 1) await user.confirmPasskey(forged).expect(401);
    const failures = failuresOf(host, user);
    expect(failures).toHaveLength(20);
    for (const each of failures) expect(each).toMatchObject({ factor: 'confirmation', failure: 'wrong_code' });
  });
});
