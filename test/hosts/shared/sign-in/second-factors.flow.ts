import { createHmac } from 'node:crypto';
import type { INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { VirtualPasskey } from 'nestjs-mfa/testing';

interface Answer {
  status: number;
  body: Record<string, any>;
}

/** RFC 4226 */
function hotp(secret: string, counter: number): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac('sha1', Buffer.from(secret, 'base64')).update(message).digest();
  const truncated = mac.readUInt32BE(mac.readUInt8(19) & 15) & 0x7fffffff;
  return String(truncated % 1_000_000).padStart(6, '0');
}

/** Passkeys, and a factor that the application defines, in whichever runner calls it. */
export function describeSecondFactors(AppModule: Type) {
  describe('nestjs-mfa with @simplewebauthn/server and a factor of the application', () => {
    const credentials = { email: 'ada@acme.example', password: 'correct horse' };
    const key = new VirtualPasskey({ origin: 'http://localhost:3000' });
    let app: INestApplication;
    let url: string;
    let session: string;

    async function post(path: string, body: object, token?: string): Promise<Answer> {
      const headers: Record<string, string> = { 'content-type': 'application/json' };
      if (token) headers.authorization = `Bearer ${token}`;
      const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: response.status, body: (await response.json()) as Record<string, any> };
    }
    const challenge = async () => (await post('/auth/login', credentials)).body;

    beforeAll(async () => {
      app = await NestFactory.create(AppModule, { logger: ['error'], abortOnError: false });
      await app.listen(0, '127.0.0.1');
      url = await app.getUrl();
      session = (await post('/auth/login', credentials)).body.accessToken;
    });
    afterAll(() => app?.close());

    it('registers a passkey, and signs in with it', async () => {
      const setup = await post('/mfa/passkeys/setup', { password: credentials.password }, session);
      const passkey = key.create(setup.body.options);
      const confirmed = await post('/mfa/passkeys/confirm', { name: 'Laptop', passkey }, session);
      expect([confirmed.status, confirmed.body.backupCodes?.length]).toEqual([200, 10]);

      const { mfa_token, methods } = await challenge();
      expect(methods).toEqual(['passkey', 'backup_code']);
      const { body } = await post('/mfa/passkeys/options', { mfa_token });
      const response = key.get(body.options);
      const verified = await post('/mfa/verify', { mfa_token, passkey: response });
      expect(verified).toMatchObject({ status: 200, body: { accessToken: expect.any(String) } });
      const again = (await challenge()).mfa_token;
      expect((await post('/mfa/verify', { mfa_token: again, passkey: response })).status).toBe(401);
    });

    it('enrolls a token of the application by a passkey, and signs in with its code', async () => {
      const { id, secret } = (await post('/hotp-tokens', { name: 'Key ring' }, session)).body;
      const { body } = await post('/mfa/passkeys/options', { purpose: 'change' }, session);
      const proof = { firstCode: hotp(secret, 0), passkey: key.get(body.options) };
      expect((await post(`/hotp-tokens/${id}/activate`, proof, session)).status).toBe(200);

      const signIn = async () => {
        const { mfa_token, methods } = await challenge();
        return { methods, ...(await post('/mfa/verify', { mfa_token, code: hotp(secret, 1), method: 'hotp' })) };
      };
      expect(await signIn()).toMatchObject({ status: 200, methods: ['passkey', 'hotp', 'backup_code'] });
      expect((await signIn()).status).toBe(401);
    });
  });
}
