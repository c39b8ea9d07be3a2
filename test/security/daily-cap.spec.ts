import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Factor } from '../../libs/mfa/src/domain/factors/factor.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, providerNamed, startHostApp, type HostApp } from '../support/host-app.js';

const DAY_MINUTES = 24 * 60;
const WRONG_BACKUP = 'ZZZZ-ZZZZ';

/** Evaluated guesses are counted where they are evaluated: a match that finds nothing. */
describe.each(testDatabases)('evaluated guesses in 24 hours, on %s', (kind) => {
  let host: HostApp;
  beforeEach(async () => {
    host = await startHostApp({ database: kind, options: FEW_CODES });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await host.close();
  });

  function countWrong(factor: Factor): () => number {
    let wrong = 0;
    const evaluate = factor.evaluate.bind(factor);
    vi.spyOn(factor, 'evaluate').mockImplementation(async (...args) => {
      const found = await evaluate(...args);
      if (found.match === null) wrong += 1;
      return found;
    });
    return () => wrong;
  }

  async function guessUntilLocked(user: Client, code: string): Promise<void> {
    while ((await user.verify(await user.login(), code)).status !== 429);
  }

  it('S54 S51 are at most 20 wrong backup codes, though the owner regenerates the set ten times', async () => {
    const owner = new Client(host, 'owner');
    const { authenticator } = await owner.enroll();
    const wrong = countWrong(providerNamed<Factor>(host, 'BackupCodeFactor'));
    const from = host.clock.nowMs();
    for (let minute = 0; minute < DAY_MINUTES - 1; minute += 10) {
      await guessUntilLocked(owner, WRONG_BACKUP);
      if (minute % 140 === 70) {
        await owner.post('/mfa/backup-codes/regenerate', { code: authenticator.code() }).expect(200);
        await guessUntilLocked(owner, WRONG_BACKUP);
      }
      host.clock.advance(600);
    }
    expect(host.clock.nowMs() - from).toBeLessThanOrEqual(DAY_MINUTES * 60_000);
    expect(wrong()).toBeGreaterThanOrEqual(19);
    expect(wrong()).toBeLessThanOrEqual(20);
  });

  it('S54 S51 are at most 20 wrong TOTP codes, though the owner disables and enrolls again ten times', async () => {
    const owner = new Client(host, 'owner');
    let { authenticator, backupCodes } = await owner.enroll();
    const wrong = countWrong(providerNamed<Factor>(host, 'TotpFactor'));
    const from = host.clock.nowMs();
    for (let minute = 0; minute < DAY_MINUTES - 20; minute += 10) {
      const near = [-1, 0, 1].map((steps) => authenticator.code(steps));
      await guessUntilLocked(
        owner,
        ['000000', '111111', '222222', '333333'].find((code) => !near.includes(code))!,
      );
      if (minute % 140 === 70) {
        await owner.post('/mfa/disable', { code: backupCodes[0] }).expect(200);
        owner.session = host.state.signIn(owner.userId);
        ({ authenticator, backupCodes } = await owner.enroll());
      }
      host.clock.advance(600);
    }
    expect(host.clock.nowMs() - from).toBeLessThanOrEqual(DAY_MINUTES * 60_000);
    expect(wrong()).toBeGreaterThanOrEqual(19);
    expect(wrong()).toBeLessThanOrEqual(20);
  });
});
