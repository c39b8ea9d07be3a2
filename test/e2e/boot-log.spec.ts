import { Injectable, type INestApplication } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { MfaModule, type MfaEnrollmentProof } from 'nestjs-mfa';
import { ADAPTERS, BareHost, startHostApp, TEST_KEY, TestHost, type HostAppSetup } from '../support/host-app.js';

@Injectable()
class ChoosingHost extends TestHost {
  override enrollmentProof(): MfaEnrollmentProof {
    return 'session-only';
  }
}

/** What the module logs at the level until the application listens. */
async function linesOf(setup: HostAppSetup, level: 'log' | 'warn' = 'log'): Promise<string[]> {
  const lines: string[] = [];
  const quiet = () => undefined;
  const write = (message: unknown, context: unknown) => {
    if (context === 'nestjs-mfa') lines.push(String(message));
  };
  const logger = { log: quiet, warn: quiet, error: quiet, [level]: write };
  await (await startHostApp({ ...setup, logger })).close();
  return lines;
}

const REST = 'factors: totp, backup_code; encrypting key: k1; proof for the first enrollment: password';
const below = (path: string) => [`MFA routes below ${path}; ${REST}`];
const prefix = (name: string, exclude: string[] = []) => ({
  configure: (app: INestApplication) => void app.setGlobalPrefix(name, { exclude }),
});

describe('S75 the line that is logged at boot', () => {
  it.each(ADAPTERS)('names path, factors, encrypting key and enrollment proof on %s', async (adapter) => {
    expect(await linesOf({ adapter })).toEqual(below('/mfa'));
  });

  it.each<[string, HostAppSetup, string]>([
    ['a global prefix', prefix('api'), '/api/mfa'],
    ['a global prefix that excludes them', prefix('api', ['mfa/*path']), '/mfa'],
    [
      'a prefix with a parameter',
      { ...prefix('t/:tenant'), options: { http: { prefix: 'auth/mfa' } } },
      '/t/:tenant/auth/mfa',
    ],
    ['RouterModule', { imports: [RouterModule.register([{ path: 'account', module: MfaModule }])] }, '/account/mfa'],
  ])('names the real path below %s', async (_, setup, path) => {
    expect(await linesOf(setup)).toEqual(below(path));
  });

  it('reports that there are no routes, the newest key and the enrollment proof that applies', async () => {
    const keys = [{ id: 'newest', secret: `${TEST_KEY.secret}x` }, TEST_KEY];
    const options = { http: false as const, keys, enrollment: { proof: 'session-only' as const } };
    const rest = 'factors: totp, backup_code; encrypting key: newest; proof for the first enrollment: ';
    expect(await linesOf({ options, host: BareHost })).toEqual([`No built-in MFA routes; ${rest}session-only`]);
    expect(await linesOf({ host: ChoosingHost })).toEqual([
      `MFA routes below /mfa; ${REST.replace('password', 'what MfaHost.enrollmentProof returns, else password')}`,
    ]);
  });
});

describe('warnings at boot', () => {
  it('S60 S72 name once what a host cannot do without `revokeSessions`, and are absent where it has the hook', async () => {
    const ofHook = async (setup: HostAppSetup) =>
      (await linesOf(setup, 'warn')).filter((line) => line.includes('`revokeSessions`'));
    const options = { enrollment: { proof: 'session-only' as const } };
    expect(await ofHook({ host: BareHost, options })).toEqual([
      expect.stringMatching(/A change of factors ends no session, and a session keeps its `mfaAt`/),
    ]);
    expect(await ofHook({ host: TestHost })).toEqual([]);
  });
});
