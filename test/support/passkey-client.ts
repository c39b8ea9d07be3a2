import request from 'supertest';
import { VirtualPasskey, type VirtualPasskeySettings } from 'nestjs-mfa/testing';
import { Client } from './client.js';
import { PASSWORD } from './host-app.js';

/** The option `passkeys` of test applications. */
export const PASSKEYS = { passkeys: { rpId: 'localhost', origins: ['http://localhost:3000'] } };

export const newKey = (settings: Partial<VirtualPasskeySettings> = {}): VirtualPasskey =>
  new VirtualPasskey({ origin: 'http://localhost:3000', ...settings });

type GetFaults = Parameters<VirtualPasskey['get']>[1];

/** A user with passkeys at the application's HTTP door. */
export class PasskeyClient extends Client {
  /** The options for `navigator.credentials.create`. */
  setupPasskey(proof: object = { password: PASSWORD }) {
    return this.post('/mfa/passkeys/setup', proof);
  }

  confirmPasskey(passkey: unknown, name?: string) {
    return this.post('/mfa/passkeys/confirm', { passkey, ...(name === undefined ? {} : { name }) });
  }

  /** Setup and confirmation. Returns the response body of the confirmation. */
  async addPasskey(key: VirtualPasskey, proof?: object, name?: string): Promise<{ backupCodes?: string[] }> {
    const setup = await this.setupPasskey(proof).expect(200);
    const confirmed = await this.confirmPasskey(key.create(setup.body.options), name).expect(200);
    return confirmed.body;
  }

  /** The first factor, and the options for `navigator.credentials.get` of its challenge. */
  async startPasskeyLogin(): Promise<{ mfa_token: string; options: never }> {
    const mfa_token = await this.login();
    const { body } = await request(this.server).post('/mfa/passkeys/options').send({ mfa_token }).expect(200);
    return { mfa_token, options: body.options as never };
  }

  verifyPasskey(mfa_token: unknown, passkey: unknown) {
    return request(this.server)
      .post('/mfa/verify')
      .send({ mfa_token, passkey } as object);
  }

  /** Both factors. Returns the response of the verification. */
  async signInByPasskey(key: VirtualPasskey, faults?: GetFaults) {
    const { mfa_token, options } = await this.startPasskeyLogin();
    return this.verifyPasskey(mfa_token, key.get(options, faults));
  }

  /** A response of the key for a step-up or a change of factors in this session. */
  async prove(key: VirtualPasskey, purpose: 'step-up' | 'change' = 'change', faults?: GetFaults) {
    const { body } = await this.post('/mfa/passkeys/options', { purpose }).expect(200);
    return key.get(body.options, faults);
  }
}
