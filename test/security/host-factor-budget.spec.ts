import { Injectable } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import request from 'supertest';
import {
  MfaBackupCodeService,
  MfaEnrollmentService,
  MfaFactor,
  type MfaFactorProof,
  type MfaFactorUser,
} from 'nestjs-mfa';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { Client } from '../support/client.js';

@Injectable()
class TokenFactor extends MfaFactor {
  readonly method = 'hotp';
  readonly budget = 'other';
  match({ code }: MfaFactorProof, { ids }: MfaFactorUser) {
    return code.startsWith('H') ? { id: ids[0]!, amr: ['otp'], spend: { item: code, expiresAt: null } } : null;
  }
  describe(_: string, ids: readonly string[]) {
    return ids.map((id) => ({ id, name: 'token', createdAt: new Date(0), lastUsedAt: null }));
  }
  forget() {}
}

describe.each(testDatabases)('the budget of factors of the host, on %s', (database) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ database, options: { ...FEW_CODES, factors: [TokenFactor] } });
  });
  afterAll(() => host.close());

  const verify = (user: Client, mfa_token: string, code: string) =>
    request(user.server).post('/mfa/verify').send({ mfa_token, code, method: 'hotp' });
  const activate = (userId: string, id: string, proof: object) =>
    host.app
      .get(MfaEnrollmentService)
      .activate({ userId, accountName: userId, sessionId: 's' }, { type: 'hotp', id, name: 'token' }, proof);

  it('S54 a factor that too many failures disabled works again after its owner enrolled it again', async () => {
    const user = new Client(host, 'b1');
    const { backupCodes } = await activate('b1', 'h1', { password: PASSWORD });
    // What 100 wrong codes of a password-only attacker leave behind.
    await host.dataSource.query(`UPDATE mfa_account SET other_failures = 100 WHERE user_id = 'b1'`);
    expect((await verify(user, await user.login(), 'H1')).status).toBe(429);
    await activate('b1', 'h2', { code: backupCodes![0] });
    await user.post('/mfa/authenticators/h1/remove', { code: backupCodes![1] }).expect(200);
    expect((await verify(user, await user.login(), 'H2')).status).toBe(200);
  });

  it('S50 S54 guesses for a factor that the user does not have cost nothing, as for TOTP', async () => {
    const user = new Client(host, 'b2');
    const { authenticator } = await user.enroll();
    const token = await user.login();
    for (let index = 0; index < 6; index++) await verify(user, token, `X${index}`);
    await activate('b2', 'h1', { code: authenticator.code() });
    expect((await verify(user, await user.login(), 'H1')).status).toBe(200);
  });

  it('S67 leaves out a session id that is null or a number', async () => {
    const user = new Client(host, 'b3');
    const { backupCodes } = await user.enroll();
    const codes = host.app.get(MfaBackupCodeService);
    for (const [index, sessionId] of [null, 7].entries()) {
      const error = await codes
        .regenerate('b3', { code: backupCodes[index]!, sessionId: sessionId as never })
        .catch((each) => each);
      expect(error).not.toBeInstanceOf(TypeError);
    }
  });
});
