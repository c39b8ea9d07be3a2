import { randomBytes, randomUUID } from 'node:crypto';
import { MfaClock } from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { createDatabase, type testDatabases, type TestDatabase } from './databases.js';
import { startDemoProcess, temporaryFolder, type DemoProcess } from './demo-process.js';
import type { Browser } from './device-client.js';

export interface Answer {
  status: number;
  body: Record<string, any>;
}

const PASSWORD = 'correct horse battery staple';
/** Of the page, whichever process served it. */
export const ORIGIN = 'http://localhost:3000';

class WallClock extends MfaClock {
  nowMs = () => Date.now();
}

/** Two processes of the demo on one database, and what a client sends to them. */
export class TwoProcesses {
  private constructor(
    private readonly database: TestDatabase,
    private readonly processes: readonly DemoProcess[],
  ) {}

  static async start(kind: (typeof testDatabases)[number]): Promise<TwoProcesses> {
    const database = await createDatabase(kind);
    const env: Record<string, string> = {
      DATA_DIR: temporaryFolder(),
      MFA_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      ORIGIN,
      // Both use the one file in the folder.
      ...(kind === 'sqlite' ? {} : { DATABASE_URL: database.url }),
    };
    // One after the other: the first one makes the tables.
    const first = await startDemoProcess(env);
    return new TwoProcesses(database, [first, await startDemoProcess(env)]);
  }

  /** Returns the exit codes. */
  async stop(): Promise<(number | null)[]> {
    const codes = await Promise.all(this.processes.map((each) => each.stop()));
    await this.database.drop();
    return codes;
  }

  /** A request to one of the two processes, in turns. A browser sends its cookies, and keeps those of the response. */
  async send(turn: number, path: string, body?: object, session?: string, browser?: Browser): Promise<Answer> {
    const response = await fetch(`${this.processes[turn % 2]!.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        'content-type': 'application/json',
        ...(session ? { authorization: `Bearer ${session}` } : {}),
        ...(browser ? { cookie: browser.header } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    browser?.keep({ headers: { 'set-cookie': response.headers.getSetCookie() } });
    return { status: response.status, body: (await response.json().catch(() => ({}))) as Answer['body'] };
  }

  /** A new user, who is signed in and knows the password. */
  async register() {
    const credentials = { email: `${randomUUID()}@example.test`, password: PASSWORD };
    const { body } = await this.send(0, '/auth/register', credentials);
    const session: string = body.accessToken;
    const signIn = async (turn: number, browser?: Browser) =>
      (await this.send(turn, '/auth/login', credentials, undefined, browser)).body;
    const login = async (turn: number, browser?: Browser) => (await signIn(turn, browser)).mfa_token as string;
    return { session, signIn, login };
  }

  /** The start of the setup of an authenticator app. */
  setUp(turn: number, session: string): Promise<Answer> {
    return this.send(turn, '/mfa/totp/setup', { password: PASSWORD }, session);
  }

  /** Confirmed with the code of this step; the next one's is accepted already, and for a minute. */
  async enroll() {
    const user = await this.register();
    const setup = await this.setUp(0, user.session);
    const device = authenticatorOf(setup);
    const { status, body } = await this.send(1, '/mfa/totp/confirm', { code: device.code() }, user.session);
    if (status !== 200) throw new Error(`The setup was not confirmed: ${status}`);
    return { ...user, device, backupCodes: body.backupCodes as string[] };
  }

  async optionsOf(turn: number, path: string, body: object, session?: string) {
    return (await this.send(turn, `/mfa/passkeys/${path}`, body, session)).body.options;
  }

  /** The options for a new passkey, of a user whose password is the proof. */
  setupOptions(turn: number, session: string) {
    return this.optionsOf(turn, 'setup', { password: PASSWORD }, session);
  }
}

/** The app that was set up. */
export const authenticatorOf = ({ body }: Answer) => new VirtualAuthenticator(body.otpauthUri, new WallClock());
