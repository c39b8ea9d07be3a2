import { readFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { Logger as NestLogger, type LoggerService } from '@nestjs/common';
import { Secret } from 'otpauth';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  MfaChallengeService,
  MfaEnrollmentService,
  MfaPasskeyService,
  MfaVerificationService,
  TotpService,
} from 'nestjs-mfa';
import { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { Client } from '../support/client.js';
import {
  dumpTables,
  FEW_CODES,
  PASSWORD,
  providerNamed,
  startHostApp,
  TEST_KEY,
  type HostApp,
} from '../support/host-app.js';
import { PasskeyClient, PASSKEYS } from '../support/passkey-client.js';
import { liveByPasskey, spellingsOfPasskey } from '../support/passkey-life.js';

/** Everything that is logged, by Nest's levels. */
class LogCapture implements LoggerService {
  readonly lines: { level: string; text: string }[] = [];

  log = (...message: unknown[]) => this.note('log', message);
  error = (...message: unknown[]) => this.note('error', message);
  warn = (...message: unknown[]) => this.note('warn', message);
  debug = (...message: unknown[]) => this.note('debug', message);
  verbose = (...message: unknown[]) => this.note('verbose', message);

  note(level: string, message: unknown[]): void {
    this.lines.push({ level, text: message.map((each) => inspect(each, { depth: 10 })).join(' ') });
  }
}

/** What must stand nowhere, collected in one user's whole life. */
interface Life {
  secrets: string[];
  codes: string[];
  backupCodes: string[];
  tokens: string[];
  uris: string[];
}

/** Lookup id and secret of the cookie of a trusted browser. */
function partsOfDevice(cookies: unknown): string[] {
  const [, lookupId, secret] = /mfa-device-[\w-]+=([\w-]+)\.([\w-]+);/.exec(String(cookies))!;
  return [lookupId!, secret!];
}

/** Setup, confirmation, logins, refusals, step-up, a second authenticator, regeneration; and one more setup under way. */
async function live(user: Client): Promise<Life> {
  const life: Life = { secrets: [], codes: [], backupCodes: [], tokens: [], uris: [] };
  const setup = async (body: object) => {
    const answer = await user.post('/mfa/totp/setup', body).expect(200);
    life.secrets.push(answer.body.secret);
    life.uris.push(answer.body.otpauthUri, answer.body.manualKey, answer.body.qrCode);
    return new VirtualAuthenticator(answer.body.otpauthUri, user.host.clock);
  };
  const fresh = (app: VirtualAuthenticator) => {
    user.host.clock.advance(30);
    life.codes.push(app.code());
    return app.code();
  };
  const login = async () => {
    life.tokens.push(await user.login());
    return life.tokens.at(-1);
  };

  const app = await setup({ password: PASSWORD });
  const confirmed = await user.post('/mfa/totp/confirm', { code: fresh(app) }).expect(200);
  life.backupCodes.push(...confirmed.body.backupCodes);
  const proof = { mfa_token: await login(), code: fresh(app) };
  const trusted = await user.post('/mfa/verify', { ...proof, rememberDevice: true }).expect(200);
  life.codes.push(...partsOfDevice(trusted.headers['set-cookie']));
  await user.verify(proof.mfa_token, app.code()).expect(401);
  await user.verify(await login(), life.backupCodes[0]).expect(200);
  await user.verify(await login(), 'WXYZ-WXYZ').expect(401);
  await user.verify(await login(), '918273').expect(401);
  life.codes.push('918273');
  await user.post('/mfa/step-up', { code: fresh(app) }).expect(200);
  const second = await setup({ code: fresh(app), name: 'Tablet' });
  await user.post('/mfa/totp/confirm', { code: fresh(second) }).expect(200);
  const regenerated = await user.post('/mfa/backup-codes/regenerate', { code: fresh(second) }).expect(200);
  life.backupCodes.push(...regenerated.body.backupCodes);
  await user.verify(await login(), life.backupCodes.at(-1)).expect(200);
  await setup({ code: fresh(app) });
  return life;
}

/** Every spelling in which a secret could lie about. */
function spellings({ secrets, backupCodes, tokens, uris }: Life): (string | Buffer)[] {
  const keys = secrets.flatMap((secret) => {
    const bytes = Buffer.from(Secret.fromBase32(secret).bytes);
    const texts = [bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url'), secret];
    return [bytes, ...texts, secret.toLowerCase(), bytes.toString('hex').toUpperCase()];
  });
  const codes = backupCodes.flatMap((code) => [code, code.replace('-', ''), code.toLowerCase()]);
  return [...keys, ...codes, ...tokens, ...tokens.map((token) => token.split('.')[2]!), ...uris];
}

function expectNowhere(haystack: string | Buffer, needles: (string | Buffer)[]): void {
  const bytes = Buffer.from(haystack);
  expect(needles.filter((needle) => bytes.includes(needle)).map(String)).toEqual([]);
}

describe('secrets at rest', () => {
  let host: HostApp;
  let users = 0;
  const newUser = () => new Client(host, `secretive-${(users += 1)}`);

  beforeAll(async () => {
    host = await startHostApp({ options: { ...PASSKEYS, ...FEW_CODES, trustedDevices: {}, audit: {} } });
  });
  afterEach(() => vi.restoreAllMocks());
  afterAll(() => host.close());

  const rowOf = async ({ userId }: Client) =>
    (await host.dataSource.query(`SELECT * FROM mfa_authenticator WHERE user_id = '${userId}'`))[0];
  const writeSecret = (id: string, secret: string) =>
    host.dataSource.query('UPDATE mfa_authenticator SET secret = ? WHERE id = ?', [secret, id]);

  it('S1 S80 are in neither the tables nor the database file: no secret, backup code, mfa_token, WebAuthn challenge or response', async () => {
    const needles = spellings(await live(newUser()));
    expect(needles.length).toBeGreaterThan(50);
    needles.push(...spellingsOfPasskey(await liveByPasskey(new PasskeyClient(host, 'keyed'))));
    // No route writes it yet.
    const policies = providerNamed<{ record(...sighting: unknown[]): Promise<number> }>(host, 'MfaPolicySeenStore');
    await policies.record('keyed', 'staff', host.clock.nowMs());
    const tables = await dumpTables(host);
    // A table without rows was not examined.
    expect(Object.entries(tables).filter(([, rows]) => rows.length === 0)).toEqual([]);
    expectNowhere(JSON.stringify(tables), needles);
    const { database } = host.database.options as { database: string };
    for (const file of [database, `${database}-wal`]) {
      const content = await readFile(file);
      expect(content.length).toBeGreaterThan(0);
      expectNowhere(content, needles);
    }
  });

  it('S2 verify for their own user and authenticator only', async () => {
    const [alice, bob] = [newUser(), newUser()];
    const one = await alice.enroll();
    const { secret } = await rowOf(alice);
    const two = await bob.enroll();
    await writeSecret(two.id, secret);
    for (const code of [one.authenticator.code(), two.authenticator.code()]) {
      await bob.verify(await bob.login(), code).expect(401, /MFA_CODE_REJECTED/);
    }
    const three = await alice.enrollAnother(one.authenticator.code());
    await writeSecret(three.id, secret);
    await host.dataSource.query("UPDATE mfa_authenticator SET secret = 'gone' WHERE id = ?", [one.id]);
    await alice.verify(await alice.login(), one.authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
  });

  describe('S3 a stored secret', () => {
    const PARTS = ['version', 'key id', 'nonce', 'ciphertext', 'tag'] as const;

    function flip(sealed: string, part: (typeof PARTS)[number]): string {
      const parts = sealed.split('.');
      const index = PARTS.indexOf(part);
      if (index < 2)
        parts[index] = parts[index]!.slice(0, -1) + String.fromCharCode(parts[index]!.at(-1)!.charCodeAt(0) ^ 1);
      else {
        const bytes = Buffer.from(parts[index]!, 'base64url');
        bytes[0]! ^= 1;
        parts[index] = bytes.toString('base64url');
      }
      return parts.join('.');
    }

    it.each(PARTS)(
      'with a bit flipped in the %s causes the response of a wrong code, and logs one error without any secret',
      async (part) => {
        const user = newUser();
        const { authenticator, id } = await user.enroll();
        const { secret } = await rowOf(user);
        const token = await user.login();
        const wrong = await user.verify(token, '000000').expect(401);
        await writeSecret(id, flip(secret, part));
        const error = vi.spyOn(NestLogger.prototype, 'error');
        const answer = await user.verify(token, authenticator.code()).expect(401);
        expect(answer.text).toBe(wrong.text);
        expect(error).toHaveBeenCalledTimes(1);
        expect(String(error.mock.calls[0])).toMatch(/cannot be opened/);
        expect(String(error.mock.calls[0])).toContain(id);
        expectNowhere(String(error.mock.calls), [authenticator.code(), secret, user.userId, TEST_KEY.secret]);
        await writeSecret(id, secret);
        await user.verify(token, authenticator.code()).expect(200);
      },
    );

    it.each(['', 'v1', 'v1....', 'plain text', 'JBSWY3DPEHPK3PXP', 'gAAAAABexample', 'v2.k1.a.b.c'])(
      'S10 that became %j is refused',
      async (secret) => {
        const user = newUser();
        const { authenticator, id } = await user.enroll();
        await writeSecret(id, secret);
        await user.verify(await user.login(), authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
      },
    );
  });

  it('S63 are refused when their key left the ring, which is logged with the id of the key; the remaining keys open the rest', async () => {
    const rotated = { id: 'k2', secret: 'Zt4w7sPq1mJx9vKe3bRy6uHa8cNf2dLg5oTi0jWqXzM=' };
    const user = newUser();
    const { authenticator } = await user.enroll();
    const without = await startHostApp({ on: host.database, options: { ...FEW_CODES, keys: [rotated] } });
    const rotatedHost = await startHostApp({ on: host.database, options: { ...FEW_CODES, keys: [rotated, TEST_KEY] } });
    for (const { clock } of [without, rotatedHost]) clock.set(host.clock.nowMs());
    const error = vi.spyOn(NestLogger.prototype, 'error');
    const lost = new Client(without, user.userId);
    await lost.verify(await lost.login(), authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
    expect(String(error.mock.calls)).toContain('"k1"');
    const kept = new Client(rotatedHost, user.userId);
    await kept.signIn(authenticator.code());
    await without.close();
    await rotatedHost.close();
  });

  it('S63 S7 are not opened by a key of the same id with another secret', async () => {
    const user = newUser();
    const { authenticator } = await user.enroll();
    const impostor = { ...TEST_KEY, secret: 'Zt4w7sPq1mJx9vKe3bRy6uHa8cNf2dLg5oTi0jWqXzM=' };
    const other = await startHostApp({ on: host.database, options: { ...FEW_CODES, keys: [impostor] } });
    other.clock.set(host.clock.nowMs());
    const client = new Client(other, user.userId);
    await client.verify(await client.login(), authenticator.code()).expect(401, /MFA_CODE_REJECTED/);
    await other.close();
  });

  it('are opened by TotpService for their owner only', () => {
    const totp = host.app.get(TotpService, { strict: false });
    const secret = totp.generateSecret();
    const owner = { userId: 'alice', authenticatorId: 'a1' };
    const sealed = totp.encryptSecret(secret, owner);
    expect(totp.decryptSecret(sealed, owner)).toBe(secret);
    for (const other of [
      { ...owner, userId: 'bob' },
      { ...owner, authenticatorId: 'a2' },
    ]) {
      expect(() => totp.decryptSecret(sealed, other)).toThrow(
        expect.objectContaining({ code: 'MFA_SECRET_UNREADABLE' }),
      );
    }
  });
});

describe('S64 the output of the module', () => {
  it('contains no code, secret, token, otpauth URI, WebAuthn challenge or response of a passkey in logs, queries, events or exceptions, at any level', async () => {
    const logs = new LogCapture();
    const query =
      (level: string) =>
      (...message: unknown[]) =>
        logs.note(`typeorm ${level}`, message.slice(0, -1));
    const typeorm = {
      logQuery: query('query'),
      logQueryError: query('error'),
      logQuerySlow: query('slow'),
      logSchemaBuild: query('schema'),
      logMigration: query('migration'),
      log: query('log'),
    };
    const host = await startHostApp({
      logger: logs,
      options: { ...PASSKEYS, ...FEW_CODES, trustedDevices: {}, audit: {} },
      dataSource: { logging: 'all', logger: typeorm },
    });
    const user = new Client(host, 'talkative');
    const life = await live(user);

    const thrown: unknown[] = [];
    const catching = (promise: Promise<unknown>) => promise.catch((error: unknown) => thrown.push(error));
    const challenges = host.app.get(MfaChallengeService, { strict: false });
    const verification = host.app.get(MfaVerificationService, { strict: false });
    const enrollment = host.app.get(MfaEnrollmentService, { strict: false });
    const principal = { userId: user.userId, accountName: 'x' };
    const code = life.codes.at(-1)!;
    const token = await user.login();
    life.tokens.push(token);
    await catching(challenges.check(life.tokens[0]!));
    await catching(challenges.check(`${token}x`));
    await catching(verification.verify(await challenges.check(token), { code }));
    await catching(verification.stepUp(user.userId, { code: life.backupCodes[0]! }));
    await catching(enrollment.confirm(principal, code));
    await catching(enrollment.setup(principal, { password: PASSWORD, code: '555555' }));
    await host.dataSource.query("UPDATE mfa_authenticator SET secret = 'damaged'");
    await catching(verification.stepUp(user.userId, { code }));
    await catching(enrollment.disable(principal, { code }));
    const keyed = new PasskeyClient(host, 'keyed');
    const keyedLife = await liveByPasskey(keyed);
    const { registrations, assertions, tokens } = keyedLife;
    const passkeys = host.app.get(MfaPasskeyService, { strict: false });
    const owner = { userId: keyed.userId, accountName: 'x', sessionId: 'x' };
    const passkey = assertions.at(-1)!;
    await catching(passkeys.confirm(owner, { passkey: registrations[0]! }));
    await catching(passkeys.options(tokens[0]!));
    await catching(passkeys.setup(owner, { passkey }));
    await catching(verification.stepUp(owner, { passkey }));
    await catching(verification.verify(await challenges.check(tokens.at(-1)!), { passkey }));
    expect(thrown).toHaveLength(13);

    const told = [
      ...logs.lines.map(({ text }) => text),
      ...host.state.events.map((event) => inspect(event, { depth: 10 })),
      ...thrown.map((error) => `${inspect(error, { depth: 10, showHidden: true })} ${JSON.stringify(error)}`),
    ].join('\n');
    expect(logs.lines.filter(({ level }) => level === 'typeorm query').length).toBeGreaterThan(50);
    expect(host.state.events.length).toBeGreaterThan(10);
    expectNowhere(told, [...spellings(life), ...spellingsOfPasskey(keyedLife)]);
    expectNowhere(told, ['otpauth:', PASSWORD, TEST_KEY.secret, '555555']);
    // Six digits may stand in a time or an id by chance; as a value of their own they may not.
    for (const each of life.codes) expect(told).not.toMatch(new RegExp(`(?<![0-9a-f-])${each}(?![0-9a-f-])`));
    await host.close();
  });
});

describe('S65 events', () => {
  it('report every outcome with user, actor, factor and reason, while responses contain no reason', async () => {
    const host = await startHostApp({ options: FEW_CODES });
    const user = new Client(host, 'eventful');
    const { authenticator, backupCodes } = await user.enroll();
    const token = await user.login();
    await user.verify(token, '000000').expect(401);
    await user.verify(token, backupCodes[0]).expect(200);
    await user.verify(await user.login(), backupCodes[0]).expect(401);
    await user.post('/mfa/step-up', { code: authenticator.code() }).expect(200);
    for (let i = 0; i < 5; i += 1) await user.post('/mfa/step-up', { code: '000000' }).expect(401);
    const locked = await user.post('/mfa/step-up', { code: '000000' }).expect(429);
    expect(locked.text).not.toMatch(/reason|failure/);
    await user.patch(`/mfa/authenticators/${(await user.get('/mfa/status')).body.authenticators[0].id}`, { name: 'X' });
    const told = host.state.events.map((event) => {
      const { type, factor, failure } = { factor: undefined, failure: undefined, ...event };
      return [type, factor, failure].filter(Boolean).join(' ');
    });
    expect(told.filter((each, index) => each !== told[index - 1])).toEqual([
      'mfa.verification.succeeded password',
      'mfa.setup.started',
      'mfa.verification.succeeded confirmation',
      'mfa.authenticator.confirmed',
      'mfa.challenge.issued',
      'mfa.verification.failed totp wrong_code',
      'mfa.verification.succeeded backup_code',
      'mfa.challenge.issued',
      'mfa.verification.failed backup_code already_spent',
      'mfa.verification.succeeded totp',
      'mfa.verification.failed totp wrong_code',
      'mfa.verification.failed totp locked',
      'mfa.authenticator.renamed',
    ]);
    for (const event of host.state.events) {
      const actor = { type: 'user', id: 'eventful' };
      expect(event).toMatchObject({ userId: 'eventful', at: expect.any(Date), actor });
    }
    await host.close();
  });

  it('do not break the flow when notify() throws', async () => {
    const host = await startHostApp({ options: FEW_CODES });
    const user = new Client(host, 'deaf');
    const push = vi.spyOn(host.state.events, 'push');
    push.mockImplementation(() => {
      throw new Error('no queue');
    });
    const { authenticator } = await user.enroll();
    await user.signIn(authenticator.code());
    await host.close();
  });
});

describe('S26 the testing kit', () => {
  it('refuses to load when NODE_ENV is production', async () => {
    vi.resetModules();
    vi.stubEnv('NODE_ENV', 'production');
    await expect(import('nestjs-mfa/testing')).rejects.toThrow(/must not be loaded when NODE_ENV is production/);
    vi.unstubAllEnvs();
  });
});
