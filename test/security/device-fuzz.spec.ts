import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MfaChallengeService, MfaDeviceEntity, type MfaIssueOptions } from 'nestjs-mfa';
import { Browser, DeviceClient, deviceEvents, DEVICES, trustedUser } from '../support/device-client.js';
import { ADAPTERS, startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';

const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Another character at this place. */
const altered = (text: string, at: number, by: number) => {
  const code = (CHARACTERS.indexOf(text[at]!) + 1 + (by % 63)) % 64;
  return `${text.slice(0, at)}${CHARACTERS[code]}${text.slice(at + 1)}`;
};
/** The parser of Fastify returns its own 400 for JSON with these keys, before any route. */
const isForbiddenKey = (key: string) => key === '__proto__' || key === 'constructor';
const reachesRoutes = (value: unknown): boolean =>
  typeof value !== 'object' ||
  value === null ||
  Object.entries(value).every(([key, each]) => !isForbiddenKey(key) && reachesRoutes(each));
/** What a stranger may put where the text of a token belongs. */
const anything = fc.oneof(
  fc.jsonValue().filter(reachesRoutes),
  fc.string({ unit: 'binary', maxLength: 90 }),
  fc.stringMatching(/^[\w-]{22}\.[\w-]{43}$/),
  fc.stringMatching(/^[\w-]{20,24}[.:][\w-]{41,45}$/),
  fc.string({ minLength: 1_000, maxLength: 3_000 }),
  fc.constantFrom('', '.', '\0', 'null', '__proto__', '\uD800'),
);

describe.each(ADAPTERS)('fuzzed trusted devices over %s', (adapter) => {
  let host: HostApp;
  let its: Awaited<ReturnType<typeof trustedUser>>;
  let cookie: { name: string; value: string };
  let deviceToken: string;
  const repository = () => host.dataSource.getRepository(MfaDeviceEntity);
  const rows = () => repository().find({ order: { id: 'ASC' } });
  let stored: Awaited<ReturnType<typeof rows>>;

  beforeAll(async () => {
    host = await startHostApp({ adapter, options: DEVICES, override: withQuickHasher });
    its = await trustedUser(host, 'victim');
    const [[name, value]] = [...its.user.browser.cookies] as [[string, string]];
    cookie = { name, value };
    await new DeviceClient(host, 'victim').trust(its.authenticator.code(), 'token');
    deviceToken = host.state.completedLogins.at(-1)!.deviceToken!;
    stored = await rows();
    expect(stored).toHaveLength(2);
  });
  beforeEach(async () => {
    await repository().clear();
    await repository().insert(stored);
    host.state.events.length = 0;
  });
  afterAll(() => host.close());

  const withCookie = (value: string) => {
    const browser = new Browser();
    browser.cookies.set(cookie.name, value);
    return new DeviceClient(host, 'victim', browser);
  };
  async function expectAsked(client: DeviceClient, body: object = {}): Promise<void> {
    const login = await client.logIn(body);
    expect([login.status, login.body.mfaRequired]).toEqual([201, true]);
  }
  const unchanged = async () => expect(await rows()).toEqual(stored);

  const SENDS: [string, 'cookie' | 'token', (value: string) => Promise<void>][] = [
    ['cookie', 'cookie', (value) => expectAsked(withCookie(value))],
    ['deviceToken', 'token', (value) => expectAsked(new DeviceClient(host, 'victim'), { deviceToken: value })],
  ];
  const valueOf = (kind: 'cookie' | 'token') => (kind === 'cookie' ? cookie.value : deviceToken);

  it.each(SENDS)(
    'S110 S112 a %s with any character changed is not trusted, and ends only the device it names',
    async (_, kind, send) => {
      const value = valueOf(kind);
      const dot = value.indexOf('.');
      for (let at = 0; at < value.length; at += 1) {
        await send(altered(value, at, at * 7));
        if (at <= dot) {
          await unchanged();
          continue;
        }
        // The lookup id is right, and the secret is foreign.
        expect(await rows()).toEqual(stored.filter((row) => row.kind !== kind));
        await repository().insert(stored.filter((row) => row.kind === kind));
      }
      const alarms = deviceEvents(its.user);
      expect(new Set(alarms)).toEqual(new Set(['mfa.device.reused']));
      expect(alarms).toHaveLength(value.length - dot - 1);
    },
  );

  it.each(SENDS)(
    'S110 a %s that is cut, longer, quoted or written otherwise changes nothing',
    async (_, kind, send) => {
      const value = valueOf(kind);
      const [lookupId, secret] = value.split('.') as [string, string];
      const cuts = Array.from(value, (__, at) => [value.slice(0, at), value.slice(at + 1)]).flat();
      const longer = [...'A.-=%'].flatMap((added) => [
        `${value}${added}`,
        `${added}${value}`,
        value.replace('.', `.${added}`),
      ]);
      const others = [
        `"${value}"`,
        `${value}.${secret}`,
        `${secret}.${lookupId}`,
        `${lookupId}.${lookupId}`,
        value.replace('.', '%2E'),
      ];
      for (const each of [...cuts, ...longer, ...others, `${lookupId}:${secret}`]) if (each !== '') await send(each);
      await unchanged();
      expect(deviceEvents(its.user)).toEqual([]);
    },
  );

  it('S67 a deviceToken of any value never returns 5xx, is not trusted, and changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(anything, (value) => expectAsked(new DeviceClient(host, 'victim'), { deviceToken: value })),
      { numRuns: 150 },
    );
    await unchanged();
  });

  it('S67 a Cookie header of any value never returns 5xx, is not trusted, and changes nothing', async () => {
    const value = fc.oneof(fc.stringMatching(/^[\x21-\x7E]{0,90}$/), fc.stringMatching(/^[\w-]{22}\.[\w-]{43}$/));
    const header = fc.array(fc.tuple(fc.constantFrom(cookie.name, 'a', '', '__proto__'), value), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(header, async (pairs) => {
        const text = pairs.map(([name, each]) => `${name}=${each}`).join(';');
        const login = await new DeviceClient(host, 'victim').loginAnswer().set('Cookie', text);
        expect([login.status, login.body.mfaRequired]).toEqual([201, true]);
      }),
      { numRuns: 100 },
    );
    await unchanged();
  });

  it('S67 rememberDevice of any other value is 400, and spends neither the code nor the token', async () => {
    host.clock.advance(30);
    const client = new DeviceClient(host, 'victim');
    const { mfa_token } = (await client.logIn()).body as { mfa_token: string };
    const proof = { mfa_token, code: its.authenticator.code() };
    const other = anything.filter((value) => ![true, false, null, 'token'].includes(value as never));
    await fc.assert(
      fc.asyncProperty(other, async (rememberDevice) => {
        const sent = await client.secondStep({ ...proof, rememberDevice });
        expect([sent.status, sent.body.code]).toEqual([400, 'MFA_BAD_REQUEST']);
      }),
      { numRuns: 150 },
    );
    for (const json of ['{"__proto__":0}', '{"constructor":{"prototype":{}}}']) {
      expect((await client.secondStep({ ...proof, rememberDevice: JSON.parse(json) as object })).status).toBe(400);
    }
    await unchanged();
    expect((await client.secondStep(proof)).status).toBe(200);
    await unchanged();
  });

  const issue = (options: object) =>
    host.app.get(MfaChallengeService, { strict: false }).issue('victim', options as MfaIssueOptions);
  const odd = fc.anything({ withNullPrototype: true });

  it('S111 a credentialVersion of any value is a TypeError or a version, and another one trusts nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(odd, fc.string()), async (credentialVersion) => {
        fc.pre(credentialVersion !== 'v1');
        const isVersion =
          credentialVersion === null || (typeof credentialVersion === 'string' && credentialVersion !== '');
        const issued = issue({ credentialVersion, deviceToken });
        if (isVersion) await expect(issued).resolves.toMatchObject({ mfaRequired: true });
        else await expect(issued).rejects.toThrow(TypeError);
      }),
      { numRuns: 200 },
    );
    await unchanged();
  });

  it('S113 a device of any value never throws, and without a usable response trusts nothing', async () => {
    const request = { headers: { cookie: `${cookie.name}=${cookie.value}` } };
    const device = fc.oneof(
      odd,
      fc.record({ request: odd, response: odd }),
      odd.map((response) => ({ request, response })),
      odd.map((headers) => ({
        request: { headers },
        response: { getHeader: () => undefined, setHeader: () => undefined },
      })),
    );
    await fc.assert(
      fc.asyncProperty(device, async (each) => {
        await expect(issue({ credentialVersion: 'v1', device: each })).resolves.toMatchObject({ mfaRequired: true });
      }),
      { numRuns: 200 },
    );
    await unchanged();
  });

  it('are trusted by what was really given, after all of this', async () => {
    expect((await new DeviceClient(host, 'victim').logIn({ deviceToken })).body).toHaveProperty('accessToken');
    expect(await withCookie(cookie.value).isTrusted()).toBe(true);
  });
});
