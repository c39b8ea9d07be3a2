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

  it('S79 repeated setups of one session draw the QR code once and emit one event', async () => {
    const user = new Client(host, 'spammer');
    await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const drawn = vi.spyOn(host.app.get(TotpService), 'qrCode');
    const before = process.cpuUsage();
    const COUNT = 100;
    for (let round = 0; round < COUNT / 10; round += 1)
      await Promise.all(Array.from({ length: 10 }, () => user.post('/mfa/totp/setup', { password: PASSWORD })));
    const cpu = process.cpuUsage(before);
    const events = host.state.events.filter(
      ({ type, userId }) => type === 'mfa.setup.started' && userId === 'spammer',
    ).length;
    expect(events).toBe(1);
    expect(drawn).not.toHaveBeenCalled();
    expect((cpu.user + cpu.system) / 1000 / COUNT).toBeLessThan(15);
  });

  it('S58 a confirmation that the full hashing queue turns away costs neither the code nor an attempt', async () => {
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
    for (let i = 0; i < 7; i += 1) {
      const { status, body: b, headers } = await user.post('/mfa/totp/confirm', { code: phone.code() });
      answers.push([status, b.code, headers['retry-after']]);
      host.clock.advance(30);
    }
    release();
    await Promise.all(load);
    answers.push((await user.post('/mfa/totp/confirm', { code: phone.code() })).body.code);
    expect(answers.slice(0, 7)).toEqual(Array.from({ length: 7 }, () => [503, 'MFA_BUSY', expect.any(String)]));
    expect(answers.at(-1)).toBeUndefined();
  });
});
