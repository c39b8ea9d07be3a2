import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TotpService } from 'nestjs-mfa';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

describe('work that one signed-in user can cause', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES });
  });
  afterAll(() => host.close());

  it('S79 is one QR code and one event for repeated setups of one session', async () => {
    const user = new Client(host, 'spammer');
    await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const totp = host.app.get(TotpService, { strict: false });
    const draws = [vi.spyOn(totp, 'qrCode'), vi.spyOn(totp, 'qrSvg')];
    const COUNT = 100;
    for (let round = 0; round < COUNT / 10; round += 1)
      await Promise.all(Array.from({ length: 10 }, () => user.post('/mfa/totp/setup', { password: PASSWORD })));
    const events = host.state.events.filter(
      ({ type, userId }) => type === 'mfa.setup.started' && userId === 'spammer',
    ).length;
    expect(events).toBe(1);
    for (const draw of draws) expect(draw).not.toHaveBeenCalled();
    vi.restoreAllMocks();
  });

  it('S58 is refused by a full hashing queue: a regeneration then costs neither code nor attempt, and keeps the old codes', async () => {
    const { processHashQueue, defaultHashConcurrency } =
      await import('../../libs/mfa/src/domain/backup-codes/hash-queue.js');
    const user = new Client(host, 'queued-regeneration');
    const { authenticator, backupCodes } = await user.enroll();
    let release!: () => void;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    const load = Array.from({ length: defaultHashConcurrency() + 32 }, () => processHashQueue.run(() => blocked));
    const code = authenticator.code();
    try {
      // One code more often than a run of failures may be long.
      for (let round = 0; round < 7; round += 1) {
        const { headers } = await user.post('/mfa/backup-codes/regenerate', { code }).expect(503, /MFA_BUSY/);
        expect(headers['retry-after']).toMatch(/^[1-9]/);
      }
    } finally {
      release();
    }
    await Promise.all(load);
    await user.signIn(backupCodes[0]!);
    const { body } = await user.post('/mfa/backup-codes/regenerate', { code }).expect(200);
    await user.signIn(body.backupCodes[0]);
  });

  it('S58 is refused by a full hashing queue: a confirmation then costs neither code nor attempt', async () => {
    const { processHashQueue, defaultHashConcurrency } =
      await import('../../libs/mfa/src/domain/backup-codes/hash-queue.js');
    const user = new Client(host, 'queue');
    const { body } = await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const { VirtualAuthenticator } = await import('nestjs-mfa/testing');
    const phone = new VirtualAuthenticator(body.otpauthUri, host.clock);
    let release!: () => void;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    const load = Array.from({ length: defaultHashConcurrency() + 32 }, () => processHashQueue.run(() => blocked));
    const answers: unknown[] = [];
    const code = phone.code();
    for (let i = 0; i < 7; i += 1) {
      const { status, body: b, headers } = await user.post('/mfa/totp/confirm', { code });
      answers.push([status, b.code, headers['retry-after']]);
    }
    release();
    await Promise.all(load);
    expect(answers).toEqual(Array.from({ length: 7 }, () => [503, 'MFA_BUSY', expect.any(String)]));
    await user.post('/mfa/totp/confirm', { code }).expect(200);
  });
});
