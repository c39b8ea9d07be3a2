import { Injectable, type ExecutionContext } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { MfaEvent, MfaPrincipal } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { ADAPTERS, FEW_CODES, PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

/** Names the request in events, and an issuer of its own per user. */
@Injectable()
class TracingHost extends TestHost {
  override principal(context: ExecutionContext): MfaPrincipal | null {
    const known = super.principal(context);
    return known && { ...known, ...(String(known.userId).startsWith('tenant') && { issuer: 'Acme Söhne' }) };
  }

  override requestInfo(context: ExecutionContext) {
    const { url } = context.switchToHttp().getRequest<{ url: string }>();
    return { requestId: url, ip: '203.0.113.7', userAgent: 'spec' };
  }
}

const ofRequest = (requestId: string) => ({ requestId, ip: '203.0.113.7', userAgent: 'spec' });

describe.each(ADAPTERS)('events and setups over %s', (adapter) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ adapter, host: TracingHost, options: FEW_CODES });
  });
  afterAll(() => host.close());

  const eventsOf = ({ userId }: Client) => host.state.events.filter((each) => each.userId === userId);
  /** The newest event of a type. */
  const eventOf = (user: Client, type: MfaEvent['type']) =>
    vi.waitFor(() => {
      const found = eventsOf(user).findLast((each) => each.type === type);
      expect(found, type).toBeDefined();
      return found!;
    });

  it('S65 the event of a rename holds the id and creation time of the authenticator, and both names', async () => {
    const user = new Client(host, 'renamer');
    const { id } = await user.enroll();
    const { createdAt } = (await user.get('/mfa/status')).body.authenticators[0];
    await user.patch(`/mfa/authenticators/${id}`, { name: 'New phone' }).expect(200);
    expect(await eventOf(user, 'mfa.authenticator.renamed')).toMatchObject({
      authenticator: { id, type: 'totp', name: 'New phone', createdAt: new Date(createdAt) },
      previousName: 'Authenticator app',
    });
  });

  it('S121 the event of an accepted code names the authenticator that made it', async () => {
    const user = new Client(host, 'named');
    const first = await user.enroll();
    const second = await user.enrollAnother(first.authenticator.code(), 'Phone');
    host.clock.advance(60);
    await user.verify(await user.login(), second.authenticator.code()).expect(200);
    expect(await eventOf(user, 'mfa.verification.succeeded')).toMatchObject({
      factor: 'totp',
      authenticator: { id: second.id, type: 'totp', name: 'Phone', createdAt: expect.any(Date) },
    });
  });

  it('S60 S65 response and event of a removal identify the authenticator by its creation time, though the names were swapped', async () => {
    const user = new Client(host, 'swapped');
    const first = await user.enroll();
    const second = await user.enrollAnother(first.authenticator.code(), 'Phone');
    const views = (await user.get('/mfa/status')).body.authenticators as { id: string; createdAt: string }[];
    const { createdAt } = views.find(({ id }) => id === second.id)!;
    expect(new Set(views.map((each) => each.createdAt)).size).toBe(2);
    await user.patch(`/mfa/authenticators/${first.id}`, { name: 'Phone' }).expect(200);
    await user.patch(`/mfa/authenticators/${second.id}`, { name: 'Authenticator app' }).expect(200);
    const code = first.authenticator.code();
    const { body } = await user.post(`/mfa/authenticators/${second.id}/remove`, { code }).expect(200);
    const removed = { id: second.id, type: 'totp', name: 'Authenticator app', createdAt };
    expect(body.removed).toEqual(removed);
    expect(await eventOf(user, 'mfa.authenticator.removed')).toMatchObject({
      authenticator: { ...removed, createdAt: new Date(createdAt) },
    });

    // Removing the last one is disabling, and names it too.
    host.clock.advance(60);
    const last = await user.post(`/mfa/authenticators/${first.id}/remove`, { code: first.authenticator.code() });
    expect(last.body).toMatchObject({ enabled: false, removed: { id: first.id, name: 'Phone' } });
    expect(await eventOf(user, 'mfa.disabled')).toMatchObject({ authenticator: { id: first.id, name: 'Phone' } });
  });

  it('S65 every event of a request holds what requestInfo() returned for it', async () => {
    const user = new Client(host, 'traced');
    for (let guess = 0; guess < 5; guess += 1) await user.post('/mfa/totp/setup', { password: 'wrong' }).expect(401);
    await user.post('/mfa/totp/setup', { password: 'wrong' }).expect(429);
    host.clock.advance(3_600);
    const setup = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const phone = new VirtualAuthenticator(setup.body.otpauthUri, host.clock);
    for (const code of ['000000', 'x']) await user.post('/mfa/totp/confirm', { code }).expect(401);
    await user.post('/mfa/totp/confirm', { code: phone.code() }).expect(200);
    host.clock.advance(90);
    await user.post('/mfa/totp/setup', { code: phone.code() }).expect(200);
    await user.post('/mfa/setup/cancel').expect(200);
    host.clock.advance(90);
    await user.patch(`/mfa/authenticators/${setup.body.authenticatorId}`, { name: 'X' }).expect(200);
    await user.post('/mfa/backup-codes/regenerate', { code: phone.code() }).expect(200);
    host.clock.advance(90);
    await user.verify(await user.login(), phone.code()).expect(200);
    host.clock.advance(90);
    for (let guess = 0; guess < 5; guess += 1) await user.post('/mfa/step-up', { code: '000000' }).expect(401);
    await user.post('/mfa/step-up', { code: '000000' }).expect(429);
    host.clock.advance(3_600);
    await user.post('/mfa/disable', { code: phone.code() }).expect(200);
    await eventOf(user, 'mfa.disabled');
    const told = eventsOf(user).filter(({ type }) => type !== 'mfa.challenge.issued');
    const paths = {
      'mfa.setup.started': '/mfa/totp/setup',
      'mfa.setup.cancelled': '/mfa/setup/cancel',
      'mfa.authenticator.confirmed': '/mfa/totp/confirm',
      'mfa.authenticator.renamed': `/mfa/authenticators/${setup.body.authenticatorId}`,
      'mfa.backup_codes.regenerated': '/mfa/backup-codes/regenerate',
      'mfa.disabled': '/mfa/disable',
    } as Record<string, string>;
    for (const event of told) {
      expect(event).toMatchObject(ofRequest(paths[event.type] ?? expect.stringMatching(/^\/mfa\//)));
    }
    expect(new Set(told.map(({ type }) => type))).toEqual(
      new Set([...Object.keys(paths), 'mfa.verification.succeeded', 'mfa.verification.failed']),
    );
    const failed = told.filter(({ type }) => type === 'mfa.verification.failed');
    expect(new Set(failed.map(({ requestId }) => requestId))).toEqual(
      new Set(['/mfa/totp/setup', '/mfa/totp/confirm', '/mfa/step-up']),
    );
  });

  it('S20 the otpauth URI has the issuer of the principal, or that of the option where the principal has none', async () => {
    const [tenant, other] = [new Client(host, 'tenant-1'), new Client(host, 'plain')];
    const uriOf = async (user: Client) =>
      new URL((await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200)).body.otpauthUri);
    const uri = await uriOf(tenant);
    expect(decodeURIComponent(uri.pathname)).toBe('/Acme Söhne:tenant-1@example.test');
    expect(uri.searchParams.get('issuer')).toBe('Acme Söhne');
    expect((await uriOf(other)).searchParams.get('issuer')).toBe('Acme');
    expect((await uriOf(tenant)).href).toBe(uri.href);
  });
});
