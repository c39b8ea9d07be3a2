import request from 'supertest';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { PASSWORD, type HostApp } from './host-app.js';

/** A user at the application's HTTP door. */
export class Client {
  constructor(
    readonly host: HostApp,
    readonly userId: string,
    public session = '',
  ) {
    if (session === '') this.session = host.state.signIn(userId);
  }

  get server() {
    return this.host.app.getHttpServer() as Parameters<typeof request>[0];
  }

  get(path: string) {
    return request(this.server).get(path).set('Authorization', `Bearer ${this.session}`);
  }

  post(path: string, body: object = {}) {
    return request(this.server).post(path).set('Authorization', `Bearer ${this.session}`).send(body);
  }

  patch(path: string, body: object) {
    return request(this.server).patch(path).set('Authorization', `Bearer ${this.session}`).send(body);
  }

  /** Setup and confirmation; afterwards the clock stands one step later, so that the next code is fresh. */
  async enroll(): Promise<{ authenticator: VirtualAuthenticator; backupCodes: string[]; id: string }> {
    const setup = await this.post('/mfa/totp/setup', { password: PASSWORD }).expect(200);
    const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, this.host.clock);
    const confirmed = await this.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(200);
    this.host.clock.advance(30);
    return { authenticator, backupCodes: confirmed.body.backupCodes, id: setup.body.authenticatorId };
  }

  /** Enrolls, and returns the user in a session that has not passed the second factor. */
  async enrolledElsewhere(): Promise<Client> {
    await this.enroll();
    return new Client(this.host, this.userId);
  }

  /** A further authenticator, proved by a code of one that works. */
  async enrollAnother(code: string, name?: string): Promise<{ authenticator: VirtualAuthenticator; id: string }> {
    const setup = await this.post('/mfa/totp/setup', { code, name }).expect(200);
    const authenticator = new VirtualAuthenticator(setup.body.otpauthUri, this.host.clock);
    await this.post('/mfa/totp/confirm', { code: authenticator.code() }).expect(200);
    this.host.clock.advance(30);
    return { authenticator, id: setup.body.authenticatorId };
  }

  /** Both factors; the user in the new session. */
  async signIn(code: string): Promise<Client> {
    const answer = await this.verify(await this.login(), code).expect(200);
    return new Client(this.host, this.userId, answer.body.accessToken);
  }

  /** The first factor. */
  loginAnswer() {
    return request(this.server).post('/login').send({ user: this.userId });
  }

  /** The first factor; the answer's `mfa_token`. */
  async login(): Promise<string> {
    const answer = await this.loginAnswer().expect(201);
    return answer.body.mfa_token;
  }

  verify(mfa_token: unknown, code: unknown) {
    return request(this.server)
      .post('/mfa/verify')
      .send({ mfa_token, code } as object);
  }
}
