import { MfaAdminService } from 'nestjs-mfa';
import { Browser, start, type TokenPair } from './browser.js';
import type { LifeCycleApp } from './life-cycle.flow.js';
import { totp } from './sign-in.flow.js';

const password = 'correct horse';
const claims = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());

describe('stolen tokens', () => {
  let host: LifeCycleApp;
  let email: string;
  let owner: Browser;
  let backupCodes: string[];
  let users = 0;

  beforeAll(async () => {
    host = await start();
  }, 60_000);
  afterAll(() => host?.app.close());

  /** A browser that holds the same tokens. */
  function thief(pair: Partial<TokenPair>): Browser {
    const browser = new Browser(host.url);
    browser.pair = { ...pair };
    return browser;
  }

  beforeEach(async () => {
    email = `user${(users += 1)}@acme.example`;
    owner = new Browser(host.url);
    await owner.register(email, password);
    await owner.login(email, password);
    const { body } = await owner.setup(password);
    const confirmed = await owner.confirm(totp(body.secret, Math.floor(Date.now() / 30_000)));
    expect(confirmed.code).toBe('OK');
    backupCodes = confirmed.body.backupCodes;
  });

  it('S47 a refresh copies sid, amr and mfaAt', async () => {
    const before = claims(owner.pair.accessToken!);
    await owner.refresh();
    const { sub, sid, amr, mfaAt } = claims(owner.pair.accessToken!);
    expect({ sub, sid, amr, mfaAt }).toEqual({
      sub: before.sub,
      sid: before.sid,
      amr: before.amr,
      mfaAt: before.mfaAt,
    });
    expect(mfaAt).toBe(new Date(mfaAt).toISOString());
  });

  it('a refresh token that is used twice ends the sign-in, for the thief too', async () => {
    const other = thief(owner.pair);
    expect((await other.refresh()).code).toBe('OK');
    expect((await other.payouts()).code).toBe('OK');
    expect((await owner.refresh()).code).toBe('401');
    expect((await other.payouts()).code).toBe('401');
    expect((await other.refresh()).code).toBe('401');
  });

  it('of many uses at once, one at most receives tokens', async () => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => thief(owner.pair).refresh()));
    expect(replies.filter(({ code }) => code === 'OK').length).toBeLessThanOrEqual(1);
  });

  it('a step-up of the owner ends the tokens of before', async () => {
    const other = thief(owner.pair);
    expect((await owner.stepUp(backupCodes.pop()!)).code).toBe('OK');
    expect((await owner.transfer()).code).toBe('OK');
    expect((await other.payouts()).code).toBe('401');
    expect((await other.refresh()).code).toBe('401');
  });

  it('S72 an access token of before the disabling opens nothing', async () => {
    const other = thief(owner.pair);
    expect((await owner.disable(backupCodes.pop()!)).code).toBe('OK');
    expect((await other.payouts()).code).toBe('401');
    expect((await other.me()).code).toBe('401');
    expect(await owner.me()).toMatchObject({ code: 'OK', body: { amr: ['pwd'], mfaAt: null } });
  });

  it('S72 a reset ends every access and refresh token', async () => {
    await host.app
      .get(MfaAdminService, { strict: false })
      .reset(host.userId(email), { actor: { system: 'test' }, requireEnrollment: false });
    expect((await owner.me()).code).toBe('401');
    expect((await owner.refresh()).code).toBe('401');
  });

  it('a user who is blocked can neither refresh nor use an access token', async () => {
    host.block(email, true);
    expect((await owner.me()).code).toBe('401');
    expect((await owner.refresh()).code).toBe('401');
    host.block(email, false);
  });

  it('S44a no token works in the place of another one', async () => {
    const { accessToken, refreshToken } = owner.pair;
    expect((await thief({ accessToken: refreshToken }).me()).code).toBe('401');
    expect((await thief({ refreshToken: accessToken }).refresh()).code).toBe('401');
    const { mfa_token } = (await new Browser(host.url).login(email, password)).body;
    expect((await thief({ accessToken: mfa_token }).me()).code).toBe('401');
    expect((await thief({ refreshToken: mfa_token }).refresh()).code).toBe('401');
    expect((await owner.me()).code).toBe('OK');
  });
});
