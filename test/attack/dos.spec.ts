import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Client } from '../support/client.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

describe('work that one signed-in user can cause', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ options: FEW_CODES });
  });
  afterAll(() => host.close());

  it('H11 repeated setups of one user draw the same QR code again and again', async () => {
    const user = new Client(host, 'spammer');
    await user.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const before = process.cpuUsage();
    const started = performance.now();
    const COUNT = 100;
    for (let round = 0; round < COUNT / 10; round += 1)
      await Promise.all(Array.from({ length: 10 }, () => user.post('/mfa/totp/setup', { password: PASSWORD })));
    const cpu = process.cpuUsage(before);
    const status = process.cpuUsage();
    for (let round = 0; round < COUNT / 10; round += 1)
      await Promise.all(Array.from({ length: 10 }, () => user.get('/mfa/status')));
    const cpuStatus = process.cpuUsage(status);
    console.log(
      'setup cpu ms/request',
      (cpu.user + cpu.system) / 1000 / COUNT,
      'status cpu ms/request',
      (cpuStatus.user + cpuStatus.system) / 1000 / COUNT,
      'wall',
      performance.now() - started,
    );
    const events = host.state.events.filter(
      ({ type, userId }) => type === 'mfa.setup.started' && userId === 'spammer',
    ).length;
    console.log('mfa.setup.started events', events);
    expect((cpu.user + cpu.system) / 1000 / COUNT).toBeLessThan(15);
  });

  it('imported/regenerate cost, hash queue: one enrolled user by regenerate', async () => {
    const user = new Client(host, 'regen');
    const { authenticator } = await user.enroll();
    host.clock.advance(30);
    const h = monitorEventLoopDelay({ resolution: 5 });
    h.enable();
    const started = performance.now();
    for (let i = 0; i < 5; i += 1) {
      host.clock.advance(30);
      await user.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200);
    }
    h.disable();
    console.log('regenerate ms each', (performance.now() - started) / 5, 'loop max', h.max / 1e6);
  });

  it('H12 confirmation and regeneration that a full hashing queue turned away: code and attempt', async () => {
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
    console.log(JSON.stringify(answers));
    expect(answers.at(-1)).toBeUndefined();
  });
});
