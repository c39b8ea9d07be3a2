import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { MfaHost, type MfaEvent, type MfaPrincipal } from 'nestjs-mfa';
import { MfaAuditStore } from '../../libs/mfa/src/domain/audit/audit.store.js';
import { MfaEvents } from '../../libs/mfa/src/events/mfa-events.js';
import { Client } from '../support/client.js';
import { createDatabase, openMfaDataSource, testDatabases, type TestDatabase } from '../support/databases.js';
import { AuthService, FEW_CODES, PASSWORD, startHostApp, TestHost, type HostApp } from '../support/host-app.js';

/** Checks the password `slow` as long as a test wants. */
@Injectable()
class SlowHost extends TestHost {
  readonly entered: Promise<void>;
  private enter = () => undefined as void;
  release = () => undefined as void;
  private readonly opening = new Promise<void>((resolve) => (this.release = resolve));

  constructor(auth: AuthService) {
    super(auth);
    this.entered = new Promise((resolve) => (this.enter = resolve));
  }

  override async verifyPassword(_principal: MfaPrincipal, password: string): Promise<boolean> {
    if (password === PASSWORD) return true;
    this.enter();
    await this.opening;
    return false;
  }
}

/** The table takes a moment for each row. */
function slowDown(host: HostApp): void {
  const store = host.app.get(MfaAuditStore as never, { strict: false }) as MfaAuditStore;
  const add = store.add.bind(store);
  vi.spyOn(store, 'add').mockImplementation(async (...row) => {
    await sleep(10);
    await add(...row);
  });
}

function refuse(host: HostApp, userId: string): void {
  const refusal = { type: 'mfa.verification.failed', userId, factor: 'totp', failure: 'locked' } as const;
  host.app.get(MfaEvents, { strict: false }).refused(refusal);
}

describe.each(testDatabases)('an application that closes on %s', (database) => {
  let on: TestDatabase;
  afterEach(() => on.drop());

  const eventsIn = async () => {
    const source = await openMfaDataSource(on);
    const rows: { event: string }[] = await source.query('SELECT event FROM mfa_audit ORDER BY id');
    await source.destroy();
    return rows.map(({ event }) => JSON.parse(event) as MfaEvent);
  };
  const isListening = (host: HostApp) => (host.app.getHttpServer() as { listening: boolean }).listening;

  it.each([
    ['after', false],
    ['before', true],
  ])(
    'S121 keeps the event of a request in flight, and the counts, where the MFA module is imported %s TypeORM',
    async (_, isTypeOrmLast) => {
      on = await createDatabase(database);
      const options = { ...FEW_CODES, audit: {} };
      const host = await startHostApp({ database, on, host: SlowHost, options, isTypeOrmLast });
      const slow = host.app.get<SlowHost>(MfaHost as never, { strict: false });
      const ann = new Client(host, 'ann');
      await ann.enroll();
      const mfa_token = await ann.login();
      for (let sent = 0; sent < 23; sent += 1) await ann.verify(mfa_token, 'x').expect(401);
      await new Client(host, 'cy').enroll();
      const bob = new Client(host, 'bob');
      const inFlight = bob.post('/mfa/totp/setup', { password: 'slow' }).then(({ status }) => status);
      await slow.entered;

      const closing = host.close();
      await expect.poll(() => isListening(host)).toBe(false);
      slowDown(host);
      // What other requests in flight would cause.
      for (let sent = 0; sent < 23; sent += 1) refuse(host, 'cy');
      slow.release();
      expect(await inFlight).toBe(401);
      await closing;

      const failed = (await eventsIn()).filter(({ type }) => type === 'mfa.verification.failed');
      expect(failed).toHaveLength(2 * 21 + 1);
      expect(failed).toContainEqual(expect.objectContaining({ failure: 'malformed', count: 3 }));
      expect(failed).toContainEqual(expect.objectContaining({ failure: 'locked', count: 3 }));
      expect(failed).toContainEqual(expect.objectContaining({ factor: 'password', failure: 'wrong_code' }));
    },
  );
});
