import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../../libs/mfa/src/options/resolve-options.js';
import { ADAPTERS, dumpTables, startHostApp, type HostApp } from '../support/host-app.js';
import { EnrollingClient, POLICIES, PolicyHost, REQUIRED } from '../support/policy-host.js';
import { withQuickHasher } from '../support/quick-hasher.js';

const AGENT = { actor: { userId: 'agent-7' }, reason: 'case 4711' };
const ROUTES = ['totp/setup', 'totp/confirm', 'setup/cancel', 'passkeys/setup', 'passkeys/confirm'];
/** A body for every route: each takes its own fields, and checks them before or after the token. */
const FIELDS = { code: '123456', passkey: {} };
const REFUSALS = [400, 401, 403, 404, 413, 429];
type Json = Record<string, unknown>;

/** Any value of JSON, and what a client may put where a string belongs. */
const anyJson = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ minLength: 1_000, maxLength: 9_000 }),
  fc.constantFrom('', '\0', 'null', '__proto__', '\ud800', 'a.b.c', '..', true, 0, [], {}, null),
);

describe.each(ADAPTERS)('fuzzed enrollments within a login over %s', (adapter) => {
  let host: HostApp;
  let admin: MfaAdminService;
  let users = 0;
  const newUser = () => new EnrollingClient(host, `fuzzed-${(users += 1)}`);

  beforeAll(async () => {
    const attempts = { maxFailures: 100_000, disableAfter: 1_000_000, dailyBurst: 100_000 };
    const options = { ...POLICIES.options, attempts };
    host = await startHostApp({ adapter, ...POLICIES, options, override: withQuickHasher });
    admin = host.app.get(MfaAdminService, { strict: false });
  });
  afterEach(() => PolicyHost.restore());
  afterAll(() => host.close());

  const post = (user: EnrollingClient, path: string, body: unknown) =>
    request(user.server).post(`/mfa/${path}`).set('Content-Type', 'application/json').send(JSON.stringify(body));

  /** A user who must enroll, with a setup under way. */
  async function enrolling() {
    PolicyHost.policyOf = () => REQUIRED;
    const user = newUser();
    const { mfa_token } = await user.mustEnroll();
    const app = await user.setupTotpBy(mfa_token);
    return { user, mfa_token, app };
  }

  /** The token as it was sent, afterwards, still enrolls. */
  async function expectEnrolls({ user, mfa_token, app }: Awaited<ReturnType<typeof enrolling>>): Promise<void> {
    const { body } = await user.send('/mfa/totp/confirm', { mfa_token, code: app.code() }).expect(200);
    expect(body.login).toEqual({ accessToken: expect.any(String) as string });
  }

  async function expectRefused(user: EnrollingClient, path: string, body: unknown): Promise<void> {
    const { status, body: answer } = await post(user, path, body);
    expect({ path, status, answer }).toSatisfy(({ status: got }: { status: number }) => REFUSALS.includes(got));
    for (const field of ['login', 'accessToken', 'secret', 'backupCodes']) expect(answer).not.toHaveProperty(field);
  }

  it('S40 S100 refuses a token with any character changed, cut or added at every route, and changes nothing', async () => {
    const owner = await enrolling();
    const { user, mfa_token } = owner;
    const before = await dumpTables(host);
    const change = fc.tuple(fc.nat(mfa_token.length - 1), fc.string({ unit: 'grapheme-ascii', maxLength: 2 }));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ROUTES), change, async (path, [at, put]) => {
        const changed = mfa_token.slice(0, at) + put + mfa_token.slice(at + 1);
        fc.pre(changed !== mfa_token);
        await expectRefused(user, path, { ...FIELDS, mfa_token: changed });
      }),
      { seed: 100, numRuns: 120 },
    );
    expect(await dumpTables(host)).toEqual(before);
    await expectEnrolls(owner);
  });

  it('S40 S41 S100 refuses a token of other claims, even if it is signed with the right key', async () => {
    const owner = await enrolling();
    const { user, mfa_token } = owner;
    const { keyRing } = host.app.get<ResolvedMfaOptions>(MFA_RESOLVED_OPTIONS, { strict: false });
    const parts = mfa_token.split('.').slice(0, 2);
    const [header, payload] = parts.map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json);
    const encode = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');
    const sign = (head: unknown, body: unknown) => {
      const text = `${encode(head)}.${encode(body)}`;
      return `${text}.${createHmac('sha256', keyRing.newest.tokenKey).update(text).digest('base64url')}`;
    };
    expect(sign(header, payload)).toBe(mfa_token);
    const { exp, stamp, enroll } = payload as { exp: number; stamp: number; enroll: Json };
    const claims: Json[] = Object.keys(payload!)
      // The details of the login are no claim that a token must have.
      .filter((name) => name !== 'state')
      .map((name) => ({ [name]: undefined }));
    claims.push({ aud: 'nestjs-mfa:verify' }, { aud: [payload!.aud] }, { iss: 'Other' }, { nbf: 1 });
    claims.push({ sub: 'somebody-else' }, { sub: 7 }, { sub: '' }, { jti: '' }, { jti: 'é' });
    claims.push({ stamp: stamp + 1 }, { stamp: String(stamp) }, { exp: exp + 1 }, { exp: 0 });
    claims.push({ iat: exp }, { iat: exp + 7_200, exp: exp + 7_201 }, { first: 'TOTP!' }, { amr: 'mfa' });
    claims.push({ state: 'x' }, { state: 7 }, { enroll: null }, { enroll: [] }, { enroll: true });
    const enrollments: Json[] = [{ reason: 'x' }, { policyId: 7 }, { policyId: null }, { policyId: 'others' }];
    enrollments.push({ proved: 1 }, { proved: false }, { reason: 'reset' }, { reason: 'reset', policyId: null });
    claims.push({ enroll: {} }, ...enrollments.map((each) => ({ enroll: { ...enroll, ...each } })));
    const sealed = sign(header, { ...payload, state: 'x' });
    const forged = claims.map((change) => sign(header, { ...payload, ...change }));
    const heads = [
      { typ: 'mfa+jwt' },
      { typ: 'JWT' },
      { typ: undefined },
      { alg: 'none' },
      { kid: 'k2' },
      { crit: [] },
    ];
    forged.push(...heads.map((change) => sign({ ...header, ...change }, payload)));
    forged.push(sign(header, null), sign(header, []), sign(header, 'x'), `${mfa_token}.`, ` ${mfa_token}`);
    const before = await dumpTables(host);
    for (const token of forged) {
      for (const path of ROUTES) await expectRefused(user, path, { ...FIELDS, mfa_token: token });
      // The description of a login does not open its details, and HTTP trims a header.
      if (token === sealed || token.startsWith(' ')) continue;
      await request(user.server).get('/mfa/challenge').set('x-mfa-token', token).expect(401);
    }
    expect(await dumpTables(host)).toEqual(before);
    await expectEnrolls(owner);
  });

  it('S41 S100 accepts each kind of token in its own place only, and none after its time', async () => {
    const { user, mfa_token } = await enrolling();
    const enrolled = newUser();
    PolicyHost.policyOf = () => null;
    await enrolled.enroll();
    const { code } = await admin.issueRecoveryCode(enrolled.userId, AGENT);
    const challenge = await enrolled.login();
    PolicyHost.policyOf = () => REQUIRED;
    const before = await dumpTables(host);
    for (const token of [challenge, user.session, enrolled.session, code]) {
      for (const path of ROUTES) await expectRefused(user, path, { ...FIELDS, mfa_token: token });
    }
    for (const path of ['verify', 'passkeys/options']) {
      for (const method of [undefined, 'recovery_code', 'totp', 'passkey']) {
        await expectRefused(user, path, { mfa_token, code, method });
      }
    }
    for (const path of ['step-up', 'disable', 'backup-codes/regenerate', 'authenticators/x/remove']) {
      await expectRefused(user, path, { ...FIELDS, mfa_token });
      const asSession = request(user.server).post(`/mfa/${path}`).set('Authorization', `Bearer ${mfa_token}`);
      expect((await asSession.send(FIELDS)).status).toBe(401);
    }
    host.clock.advance(901);
    for (const path of ROUTES) await expectRefused(user, path, { ...FIELDS, mfa_token });
    expect(await dumpTables(host)).toEqual(before);
  });

  it.each(ROUTES)('S24 S67 never returns 5xx and enrolls nothing for any JSON in the body of %s', async (path) => {
    const owner = await enrolling();
    const { user, mfa_token } = owner;
    PolicyHost.authorizes = () => false;
    const factors = async () => {
      const { mfa_passkey, mfa_backup_code } = await dumpTables(host);
      return { mfa_passkey, mfa_backup_code, logins: host.state.completedLogins.length };
    };
    const before = await factors();
    const bodies = fc.record(
      { mfa_token: anyJson, code: anyJson, method: anyJson, name: anyJson, passkey: anyJson, password: anyJson },
      { requiredKeys: ['mfa_token'] },
    );
    // Half of them with the right token.
    const given = fc.tuple(bodies, fc.boolean()).map(([body, right]) => (right ? { ...body, mfa_token } : body));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 4, arbitrary: given }, { weight: 1, arbitrary: fc.jsonValue() }),
        async (body) => {
          const { status, text } = await post(user, path, body);
          // A setup that was authorized is repeated, and one that exists is cancelled.
          const accepted = path.endsWith('setup') || path === 'setup/cancel' ? [200, 204] : [];
          expect({ status, text }).toSatisfy(({ status: got }: { status: number }) =>
            [...REFUSALS, ...accepted].includes(got),
          );
        },
      ),
      { seed: 67, numRuns: 80 },
    );
    expect(await factors()).toEqual(before);
    expect((await user.get('/mfa/status')).body.enabled).toBe(false);
  });

  it('S77 S104 accepts a recovery code in any spelling, once, and nothing that is not this code', async () => {
    const user = newUser();
    await user.enroll();
    const recover = async (given: unknown) =>
      (await post(user, 'verify', { mfa_token: await user.login(), code: given, method: 'recovery_code' })).status;
    const wide = (text: string) =>
      text.replace(/[!-~]/g, (each) => String.fromCodePoint(each.codePointAt(0)! + 0xfee0));
    const arabic = (text: string) => text.replace(/\d/g, (each) => String.fromCodePoint(0x660 + Number(each)));
    const spellings: ((code: string) => string)[] = [
      (code) => code.toLowerCase(),
      (code) => code.replaceAll('-', ' '),
      (code) => [...code.replaceAll('-', '')].join('\u200b'),
      (code) => `\u202e${code.replaceAll('-', '\u2011')}\t`,
      wide,
      arabic,
    ];
    for (const spell of spellings) {
      const { code } = await admin.issueRecoveryCode(user.userId, AGENT);
      await fc.assert(
        fc.asyncProperty(fc.nat(code.length - 1), anyJson, async (at, other) => {
          const near = code.slice(0, at) + (code[at] === 'A' ? 'B' : 'A') + code.slice(at + 1);
          fc.pre(code[at] !== '-' && other !== code);
          for (const wrong of [near, spell(near), other]) expect([400, 401, 413]).toContain(await recover(wrong));
        }),
        { seed: 104, numRuns: 6 },
      );
      expect(await recover(spell(code))).toBe(200);
      for (const again of [code, spell(code)]) expect(await recover(again)).toBe(401);
    }
  });
});
