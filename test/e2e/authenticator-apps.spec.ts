import { afterEach, describe, expect, it, vi } from 'vitest';
import { Secret, URI } from 'otpauth';
import { TotpService } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

describe('the setup for authenticator apps', () => {
  const hosts: HostApp[] = [];
  afterEach(async () => {
    for (const host of hosts.splice(0).reverse()) await host.close();
  });

  async function start(setup: Parameters<typeof startHostApp>[0]): Promise<HostApp> {
    const host = await startHostApp(setup);
    hosts.push(host);
    return host;
  }

  it.each([
    ['SHA1', 20],
    ['SHA256', 32],
    ['SHA512', 64],
  ] as const)('S11 gives a secret for %s the %i bytes of the hash, and it verifies', async (algorithm, bytes) => {
    const host = await start({ options: { ...FEW_CODES, totp: { algorithm } } });
    const user = new Client(host, 'new');
    const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    expect(Secret.fromBase32(body.secret).bytes).toHaveLength(bytes);
    expect(body.manualKey.replaceAll(' ', '')).toBe(body.secret);
    expect(body.otpauthUri).toContain(`secret=${body.secret}&algorithm=${algorithm}`);
    expect(body.qrCode).toMatch(/^data:image\/png;base64,/);
    const authenticator = new VirtualAuthenticator(body.otpauthUri, host.clock);
    await user.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(200);
    await user.verify(await user.login(), authenticator.code(1)).expect(200);
    expect(Secret.fromBase32(host.app.get(TotpService).generateSecret()).bytes).toHaveLength(bytes);
  });

  it('S11 keeps verifying an authenticator of 20 bytes for SHA512 that was made before', async () => {
    const host = await start({ options: { ...FEW_CODES, totp: { algorithm: 'SHA512' } } });
    const user = new Client(host, 'elder');
    const { id } = await user.enroll();
    const totp = host.app.get(TotpService);
    const secret = totp.generateSecret({ algorithm: 'SHA1' });
    const sealed = totp.encryptSecret(secret, { userId: user.userId, authenticatorId: id });
    await host.dataSource.query(`UPDATE mfa_authenticator SET secret = '${sealed}' WHERE id = '${id}'`);
    const authenticator = new VirtualAuthenticator(totp.otpauthUri(secret, 'elder'), host.clock);
    await user.verify(await user.login(), authenticator.code()).expect(200);
  });

  it('S76 labels every authenticator of a user differently, and keeps the label when the setup is repeated', async () => {
    const host = await start({ options: FEW_CODES });
    const user = new Client(host, 'ada');
    const labels: string[] = [];
    const next = async (body: object) => {
      const { body: setup } = await user.post('/mfa/totp/setup', body).expect(200);
      labels.push(URI.parse(setup.otpauthUri).label);
      return new VirtualAuthenticator(setup.otpauthUri, host.clock);
    };
    const confirm = async (authenticator: VirtualAuthenticator) => {
      await user.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(200);
      host.clock.advance(60);
    };
    const first = await next({ password: PASSWORD });
    await confirm(first);
    await confirm(await next({ code: first.code() }));
    host.clock.advance(60);
    await confirm(await next({ code: first.code(), name: 'Tablet: 10″' }));
    host.clock.advance(60);
    await next({ code: first.code(), name: 'Watch' });
    host.clock.advance(60);
    await next({ code: first.code(), name: 'another name' });
    expect(labels).toEqual([
      'ada@example.test',
      expect.stringMatching(/^ada@example\.test \(Authenticator app [0-9a-f]{4}\)$/),
      'ada@example.test (Tablet- 10″)',
      'ada@example.test (Watch)',
      expect.stringMatching(/^ada@example\.test \((Watch|another name)\)$/),
    ]);
  });

  it('S75 boots with a warning about seven digits and about an issuer that some apps show wrongly', async () => {
    const warn = vi.fn<(message: unknown) => void>();
    const silent = () => undefined;
    const logger = { log: silent, error: silent, warn };
    await start({ options: { issuer: 'Q&A + more', totp: { digits: 7 } }, logger });
    const warnings = warn.mock.calls.map(([message]) => String(message));
    expect(warnings.filter((each) => each.includes('`totp.digits` is 7'))).toHaveLength(1);
    expect(warnings.filter((each) => each.includes('`issuer` contains "&", "+"'))).toHaveLength(1);
  });

  it('S65 S66 S23 returns the response of a wrong code for a code of a wrong clock, and reports the skew in the event', async () => {
    const host = await start({ options: FEW_CODES });
    const user = new Client(host, 'late');
    const { authenticator } = await user.enroll();
    const answers = new Set<string>();
    for (const code of [authenticator.code(-7), authenticator.code(7), '000000']) {
      const { status, body, headers } = await user.verify(await user.login(), code);
      const rest = { ...headers, date: '' };
      answers.add(JSON.stringify({ status, body, rest }));
    }
    expect([...answers]).toEqual([expect.stringContaining('"MFA_CODE_REJECTED"')]);
    const failed = host.state.events.filter((event) => event.type === 'mfa.verification.failed');
    expect(failed).toEqual([
      expect.objectContaining({ factor: 'totp', failure: 'clock_skew', skewSteps: -7 }),
      expect.objectContaining({ factor: 'totp', failure: 'clock_skew', skewSteps: 7 }),
      expect.objectContaining({ factor: 'totp', failure: 'wrong_code' }),
    ]);
    const [row] = await host.dataSource.query('SELECT totp_failures FROM mfa_account');
    expect(Number(row.totp_failures)).toBe(3);
  });

  it('S65 reports the skew of a first code at the confirmation in the event too', async () => {
    const host = await start({ options: FEW_CODES });
    const user = new Client(host, 'ahead');
    const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const authenticator = new VirtualAuthenticator(body.otpauthUri, host.clock);
    await user.post('/mfa/totp/confirm', { code: authenticator.code(5) }).expect(401, /MFA_CODE_REJECTED/);
    const failed = host.state.events.filter((event) => event.type === 'mfa.verification.failed');
    expect(failed).toMatchObject([{ factor: 'confirmation', failure: 'clock_skew', skewSteps: 5 }]);
  });
});
