import { BY_TEST } from '../support/reset.js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { processHashQueue, defaultHashConcurrency } from '../../libs/mfa/src/domain/backup-codes/hash-queue.js';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { MfaVerificationStore } from '../../libs/mfa/src/domain/verification/verification.store.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { startHostApp, type HostApp } from '../support/host-app.js';

const DAY = 24 * 60 * 60;

describe('attempt budgets', () => {
  let host: HostApp;
  beforeEach(async () => {
    host = await startHostApp();
  });
  afterEach(() => host.close());

  it('S54 S51 evaluate exactly 20 failures in 24 hours, however often the password changes', async () => {
    const user = new Client(host, 'resetter');
    await user.enroll();
    const admin = host.app.get(MfaAdminService, { strict: false });
    const evaluated: number[] = [];
    // Ten at once, and one more in each tenth of a day.
    for (let tenth = 0; tenth <= 10; tenth += 1, host.clock.advance(DAY / 10)) {
      const codes: unknown[] = [];
      for (let reset = 0; reset < 3; reset += 1) {
        const token = await user.login();
        for (let guess = 0; guess < 5; guess += 1) codes.push((await user.verify(token, '000000')).body.code);
        // The attacker holds the mailbox: "forgot password" again and again.
        await admin.passwordChanged(user.userId, BY_TEST);
      }
      expect(new Set(codes)).toEqual(new Set(['MFA_CODE_REJECTED', 'MFA_LOCKED']));
      evaluated.push(codes.filter((code) => code === 'MFA_CODE_REJECTED').length);
    }
    expect(evaluated).toEqual([10, ...Array<number>(10).fill(1)]);
  });

  it('S58 S54 count no attempt for a backup code that a full hashing queue did not evaluate', async () => {
    const user = new Client(host, 'patient');
    const { backupCodes } = await user.enroll();
    let release!: () => void;
    const blocked = new Promise<void>((resolve) => (release = resolve));
    const load = Array.from({ length: defaultHashConcurrency() + 32 }, () => processHashQueue.run(() => blocked));
    const statuses: number[] = [];
    try {
      for (let retry = 0; retry < 5; retry += 1) {
        // Obeys `Retry-After` and tries the very same code again.
        const { status, headers } = await user.verify(await user.login(), backupCodes[0]);
        statuses.push(status);
        host.clock.advance(Number(headers['retry-after'] ?? 1));
      }
    } finally {
      release();
      await Promise.all(load);
    }
    expect(statuses).toEqual([503, 503, 503, 503, 503]);
    await user.verify(await user.login(), backupCodes[0]).then(({ status }) => expect(status).toBe(200));
  });

  it('S54 end every lock after 24 hours, also when the clock ran ahead at the attempt', async () => {
    const user = new Client(host, 'time-traveller');
    const { backupCodes } = await user.enroll();
    // A machine that boots a year ahead, and is set right by NTP after one successful login.
    host.clock.advance(365 * DAY);
    await user.verify(await user.login(), backupCodes[0]).expect(200);
    host.clock.advance(-365 * DAY);
    const answer = await user.verify(await user.login(), backupCodes[1]);
    expect(answer.body.retryAfterSeconds ?? 0).toBeLessThanOrEqual(DAY);
    expect(answer.status).toBe(200);
  });
});

describe.each(testDatabases)('double submissions on %s', (kind) => {
  let host: HostApp;
  beforeEach(async () => {
    host = await startHostApp({ database: kind });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await host.close();
  });

  /** Lets both requests pass the check of their token before either goes on, as a slower network does by itself. */
  function meeting(): () => Promise<void> {
    let waiting: (() => void) | undefined;
    return async () => {
      if (waiting) waiting();
      else
        await new Promise<void>((resolve) => {
          waiting = resolve;
          setTimeout(resolve, 500);
        });
      waiting = undefined;
    };
  }

  const MEETINGS = {
    'before they are counted': () => {
      const accounts = host.app.get(MfaAccountStore, { strict: false });
      const [reserve, meet] = [accounts.reserve.bind(accounts), meeting()];
      vi.spyOn(accounts, 'reserve').mockImplementation(async (reservation) => {
        await meet();
        return reserve(reservation);
      });
    },
    'when both are counted': () => {
      const store = host.app.get(MfaVerificationStore, { strict: false });
      const [complete, meet] = [store.spendAndSettle.bind(store), meeting()];
      vi.spyOn(store, 'spendAndSettle').mockImplementation(async (completion) => {
        await meet();
        return complete(completion);
      });
    },
  };
  // On PostgreSQL the check of the token and the count are one statement: nothing can come in between.
  const points = (Object.keys(MEETINGS) as (keyof typeof MEETINGS)[]).slice(kind === 'postgres' ? 1 : 0);

  it.each(points)(
    'S34a twelve successful double submissions in one day, meeting %s, leave the account unlocked',
    async (point) => {
      const user = new Client(host, 'doublet');
      const { authenticator } = await user.enroll();
      MEETINGS[point]();
      const outcomes: (string | undefined)[][] = [];
      for (let login = 0; login < 12; login += 1) {
        const token = await user.login();
        const code = authenticator.code();
        const answers = await Promise.all([user.verify(token, code), user.verify(token, code)]);
        outcomes.push(answers.map(({ body }) => (body.code as string) ?? 'ok').sort());
        if (outcomes.at(-1)!.includes('MFA_LOCKED')) break;
        host.clock.advance(60);
      }
      expect(outcomes).toEqual(Array(12).fill(['MFA_CODE_REJECTED', 'ok']));
    },
  );
});
