import { createHmac } from 'node:crypto';
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

/** RFC 6238, independent of the library and of what it uses. */
export function totp(base32: string, step: number): string {
  const bits = [...base32].map((letter) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'),
  );
  const key = Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', key).update(counter).digest();
  const truncated = mac.readUInt32BE(mac.readUInt8(19) & 15) & 0x7fffffff;
  return String(truncated % 1_000_000).padStart(6, '0');
}

interface Answer {
  status: number;
  body: Record<string, any>;
}

/** The whole flow against one application, in whichever runner calls it. */
export function describeSignIn(AppModule: Type) {
  describe('nestjs-mfa, installed from its tarball', () => {
    const credentials = { email: 'ada@acme.example', password: 'correct horse' };
    const step = Math.floor(Date.now() / 30_000);
    let app: INestApplication;
    let url: string;
    let session: string;
    let secret: string;

    async function call(method: string, path: string, body?: object, token?: string): Promise<Answer> {
      const headers: Record<string, string> = { 'content-type': 'application/json' };
      if (token) headers.authorization = `Bearer ${token}`;
      const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
      return { status: response.status, body: (await response.json()) as Record<string, any> };
    }
    const post = (path: string, body: object, token?: string) => call('POST', path, body, token);
    const challenge = async () => (await post('/auth/login', credentials)).body;

    beforeAll(async () => {
      app = await NestFactory.create(AppModule, { logger: ['error'], abortOnError: false });
      await app.listen(0, '127.0.0.1');
      url = await app.getUrl();
    });
    afterAll(() => app?.close());

    it('signs in with the password alone before the enrollment', async () => {
      const { status, body } = await post('/auth/login', credentials);
      expect([status, Object.keys(body)]).toEqual([200, ['accessToken']]);
      session = body.accessToken;
    });

    it('refuses the guarded route to a session without the factor', async () => {
      expect(await call('GET', '/payouts', undefined, session)).toMatchObject({
        status: 403,
        body: { code: 'MFA_ENROLLMENT_REQUIRED' },
      });
    });

    it('enrolls by setup and confirmation, and returns backup codes', async () => {
      const setup = await post('/mfa/totp/setup', { password: credentials.password }, session);
      expect(setup).toMatchObject({ status: 200, body: { qrCode: expect.stringMatching(/^data:image\/png/) } });
      secret = setup.body.secret;
      const confirm = await post('/mfa/totp/confirm', { code: totp(secret, step) }, session);
      expect(confirm).toMatchObject({ status: 200, body: { enabled: true } });
      expect(confirm.body.backupCodes).toHaveLength(10);
    });

    it('admits the session of the confirmation to the guarded route', async () => {
      expect(await call('GET', '/payouts', undefined, session)).toMatchObject({ status: 200 });
    });

    it('requires the second step at the next login, and accepts a code', async () => {
      const { mfaRequired, mfa_token, methods } = await challenge();
      expect([mfaRequired, methods]).toEqual([true, ['totp', 'backup_code']]);
      const verify = await post('/mfa/verify', { mfa_token, code: totp(secret, step + 1) });
      expect(verify).toMatchObject({ status: 200, body: { accessToken: expect.any(String) } });
      expect(await call('GET', '/payouts', undefined, verify.body.accessToken)).toMatchObject({ status: 200 });
    });

    it('refuses a replay of that code, and of the code of the confirmation', async () => {
      for (const used of [step + 1, step]) {
        const { mfa_token } = await challenge();
        expect(await post('/mfa/verify', { mfa_token, code: totp(secret, used) })).toMatchObject({
          status: 401,
          body: { code: 'MFA_CODE_REJECTED' },
        });
      }
    });

    it('refuses the mfa_token as a session', async () => {
      const { mfa_token } = await challenge();
      expect(await call('GET', '/payouts', undefined, mfa_token)).toMatchObject({ status: 401 });
    });
  });
}
