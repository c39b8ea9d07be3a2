import { afterAll, beforeAll, expect, it } from 'vitest';
import { MfaChallengeService, MfaVerificationService } from 'nestjs-mfa';
import { BackupCodeFactor } from '../../libs/mfa/src/factors/backup-codes/backup-code.factor.js';
import { TotpFactor } from '../../libs/mfa/src/factors/totp/totp.factor.js';
import type { Factor } from '../../libs/mfa/src/domain/factors/factor.js';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { describeServers } from '../support/servers.js';

describeServers('a day of floods from four instances on', (kind) => {
  const hosts: HostApp[] = [];
  const wrong = { totp: 0, backup_code: 0 };

  beforeAll(async () => {
    const first = await startHostApp({ database: kind, options: FEW_CODES });
    hosts.push(first);
    for (let i = 0; i < 3; i += 1) hosts.push(await startHostApp({ on: first.database, options: FEW_CODES }));
    for (const host of hosts) for (const type of [TotpFactor, BackupCodeFactor]) countWrong(host, type as never);
  });
  afterAll(async () => {
    for (const host of hosts.reverse()) await host.close();
  });

  function countWrong({ app }: HostApp, type: new () => Factor): void {
    const factor = app.get<Factor>(type, { strict: false });
    const evaluate = factor.evaluate.bind(factor);
    factor.evaluate = async (...args) => {
      const found = await evaluate(...args);
      if (found.match === null) wrong[factor.method as 'totp' | 'backup_code'] += 1;
      return found;
    };
  }

  async function guess({ app }: HostApp, code: string): Promise<string> {
    const challenges = app.get(MfaChallengeService, { strict: false });
    const issued = await challenges.issue('owner');
    if (!issued.mfaRequired) throw new Error('no second step');
    const challenge = await challenges.check(issued.mfa_token);
    const verification = app.get(MfaVerificationService, { strict: false });
    return verification.verify(challenge, { code }).then(
      () => 'OK',
      (error: unknown) => (error as { code: string }).code,
    );
  }

  it('S50 S54 S70 evaluates at most 20 wrong guesses per factor among spent codes and logins of the owner', async () => {
    const [first] = hosts as [HostApp];
    const { authenticator, backupCodes } = await new Client(first, 'owner').enroll();
    for (const { clock } of hosts) clock.set(first.clock.nowMs());
    expect(await guess(first, authenticator.code())).toBe('OK');
    expect(await guess(first, backupCodes[0]!)).toBe('OK');
    const outcomes = new Set<string>();
    for (let minute = 0; minute < 24 * 60; minute += 15) {
      const spent = authenticator.code();
      await guess(first, spent);
      const near = [-1, 0, 1, 2].map((steps) => authenticator.code(steps));
      const wrongCode = ['000000', '111111', '222222', '333333', '444444'].find((code) => !near.includes(code))!;
      const codes = [wrongCode, spent, 'AAAA-AAAA', backupCodes[0]!];
      const flood = Array.from({ length: 16 }, (_, i) => guess(hosts[i % 4]!, codes[(i + Math.floor(i / 4)) % 4]!));
      for (const outcome of await Promise.all(flood)) outcomes.add(outcome);
      if (minute % 180 === 0) await guess(first, authenticator.code(1));
      for (const { clock } of hosts) clock.advance(900);
    }
    expect([...outcomes].filter((each) => !['OK', 'MFA_CODE_REJECTED', 'MFA_LOCKED'].includes(each))).toEqual([]);
    expect(wrong.totp).toBeLessThanOrEqual(20);
    expect(wrong.backup_code).toBeLessThanOrEqual(20);
    expect(wrong.totp).toBeGreaterThanOrEqual(10);
    expect(wrong.backup_code).toBeGreaterThanOrEqual(10);
  });
});
