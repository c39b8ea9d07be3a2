import { BY_TEST } from '../support/reset.js';
import { Injectable } from '@nestjs/common';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MfaAdminService, MfaEnrollmentService, MfaFactor } from 'nestjs-mfa';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';

@Injectable()
class TokenFactor extends MfaFactor {
  readonly method = 'hotp';
  readonly budget = 'other';
  match() {
    return null;
  }
  describe(_: string, ids: readonly string[]) {
    return ids.map((id) => ({ id, name: 'token', createdAt: new Date(0), lastUsedAt: null }));
  }
  forget() {}
}

let host: HostApp;
beforeAll(async () => {
  host = await startHostApp({ options: { ...FEW_CODES, factors: [TokenFactor] } });
});
afterAll(() => host.close());

it('S60 S79 a purge that is repeated after a crash ends the sessions of a user whose only factor is one of the host', async () => {
  const principal = { userId: 'p1', accountName: 'p1', sessionId: 's' };
  await host.app
    .get(MfaEnrollmentService)
    .activate(principal, { type: 'hotp', id: 'h1', name: 'token' }, { password: PASSWORD });
  // The first purge ended just after its first statement.
  await host.dataSource.query(`DELETE FROM mfa_account WHERE user_id = 'p1'`);
  await host.app.get(MfaAdminService).purgeUser('p1', BY_TEST);
  expect(host.state.revocations).toContain('mfa.disabled p1');
});
