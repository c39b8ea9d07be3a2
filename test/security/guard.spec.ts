import { BadRequestException, Controller, Get, Injectable, UseGuards, VersioningType } from '@nestjs/common';
import request from 'supertest';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  ChallengeRoute,
  MfaAdminService,
  MfaChallengeService,
  MfaGuard,
  SkipMfa,
  type MfaCookieResponse,
} from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { ADAPTERS, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

@SkipMfa()
@Controller('base-open')
class OpenController {
  @Get()
  index() {
    return { open: true };
  }
}

/** A business controller that re-uses a public one. */
@Controller('derived-from-open')
@UseGuards(MfaGuard)
class DerivedFromOpenController extends OpenController {
  @Get('secrets')
  secrets() {
    return { secrets: [1, 2, 3] };
  }
}

@ChallengeRoute()
@Controller('base-challenge')
class ChallengeController {
  @Get('me')
  me() {
    return {};
  }
}

@Controller('derived-from-challenge')
class DerivedFromChallengeController extends ChallengeController {
  @Get('secrets')
  @UseGuards(MfaGuard)
  secrets() {
    return { secrets: [1, 2, 3] };
  }
}

@Injectable()
class RefusingHost extends TestHost {
  override completeLogin(): unknown {
    throw new BadRequestException({ code: 'TERMS_NOT_ACCEPTED', termsUrl: 'https://acme.test/terms' });
  }
}

describe.each(ADAPTERS)('guard and edge over %s', (adapter) => {
  let host: HostApp;
  afterEach(() => host.close());

  it('S44a S47 @UseGuards(MfaGuard) does not open a controller that extends a @SkipMfa() controller', async () => {
    host = await startHostApp({ adapter, controllers: [OpenController, DerivedFromOpenController] });
    const answer = await request(new Client(host, 'x').server).get('/derived-from-open/secrets');
    expect(answer.body).not.toHaveProperty('secrets');
    expect(answer.status).toBe(401);
  });

  it('S44a a handler without @ChallengeRoute() admits no mere mfa_token, though a base class has it', async () => {
    host = await startHostApp({ adapter, controllers: [ChallengeController, DerivedFromChallengeController] });
    const user = new Client(host, 'halfway');
    await user.enroll();
    const token = await user.login();
    const answer = await request(user.server).get('/derived-from-challenge/secrets').set('x-mfa-token', token);
    expect(answer.body).not.toHaveProperty('secrets');
    expect(answer.status).toBe(401);
  });

  it('MfaHost: what completeLogin throws is the answer', async () => {
    host = await startHostApp({ adapter, host: RefusingHost });
    const user = new Client(host, 'terms');
    const { authenticator } = await user.enroll();
    const answer = await user.verify(await user.login(), authenticator.code());
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual({ code: 'TERMS_NOT_ACCEPTED', termsUrl: 'https://acme.test/terms' });
  });

  it('S21 an answer that sets the mfa_token cookie is no-store', async () => {
    host = await startHostApp({ adapter });
    const user = new Client(host, 'redirected');
    await user.enroll();
    const headers = new Map<string, unknown>();
    const setHeader = (name: string, value: unknown) => void headers.set(name.toLowerCase(), value);
    const response = { getHeader: (name: string) => headers.get(name.toLowerCase()), setHeader } as MfaCookieResponse;
    await host.app.get(MfaChallengeService, { strict: false }).issue('redirected', { cookie: response });
    expect(headers.get('set-cookie')).toBeDefined();
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('the routes have no version, so the cookie is scoped to them under URI versioning too', async () => {
    host = await startHostApp({
      adapter,
      configure: (app) => app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' }),
    });
    const headers = new Map<string, unknown>();
    const setHeader = (name: string, value: unknown) => void headers.set(name.toLowerCase(), value);
    const response = { getHeader: (name: string) => headers.get(name.toLowerCase()), setHeader } as MfaCookieResponse;
    const user = new Client(host, 'versioned');
    const routed = await request(user.server).post('/mfa/verify').send({ code: '123456' });
    expect(routed.body.code).toBe('MFA_TOKEN_INVALID');
    await user.enroll();
    await host.app.get(MfaChallengeService, { strict: false }).issue('versioned', { cookie: response });
    expect(String(headers.get('set-cookie'))).toContain('Path=/mfa;');
  });
});

describe('events', () => {
  let host: HostApp;
  afterEach(() => host.close());

  it('S65 a refused code of neither shape is an event too', async () => {
    host = await startHostApp();
    const user = new Client(host, 'shapes');
    await user.enroll();
    const token = await user.login();
    host.state.events.length = 0;
    await user.verify(token, 'no code at all').expect(401);
    await vi.waitFor(() =>
      expect(host.state.events).toMatchObject([{ type: 'mfa.verification.failed', userId: 'shapes' }]),
    );
  });

  it('S60 purgeUser of an enrolled user calls the revocation hook and emits the events of an administrator', async () => {
    host = await startHostApp();
    const user = new Client(host, 'leaver');
    await user.enroll();
    host.state.events.length = 0;
    host.state.revocations.length = 0;
    await host.app
      .get(MfaAdminService, { strict: false })
      .purgeUser('leaver', { actor: { userId: 'root' }, reason: 'left' });
    expect(host.state.revocations).toHaveLength(1);
    const by = { actor: { type: 'admin', id: 'root' }, reason: 'left' };
    await vi.waitFor(() =>
      expect(host.state.events).toMatchObject([
        { type: 'mfa.disabled', ...by },
        { type: 'mfa.user.purged', ...by },
      ]),
    );
  });
});
