import fc from 'fast-check';
import request from 'supertest';
import type { DataSource } from 'typeorm';
import { getDataSourceToken } from '@nestjs/typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { ADAPTERS, startHostApp, type HostApp } from '../support/host-app.js';

/** What a stranger may put where a string belongs. */
const anything = fc.oneof(
  fc.anything({ withNullPrototype: false }).filter((value) => jsonable(value)),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({ minLength: 1_000, maxLength: 9_000 }),
  fc.constantFrom(
    '',
    '\0',
    '000000\0',
    '１２３４５６',
    '٠١٢٣٤٥',
    '12 34-56',
    'ABCD-EFGH',
    '-1',
    '1e5',
    'null',
    '__proto__',
    '\ud800',
  ),
  fc.stringMatching(/^[0-9]{6}$/),
  fc.stringMatching(/^[A-Z2-9]{4}-[A-Z2-9]{4}$/),
);

function jsonable(value: unknown): boolean {
  try {
    return JSON.stringify({ value }) !== undefined;
  } catch {
    return false;
  }
}

const REFUSALS = [400, 401, 404, 409, 413, 415, 429];

describe.each(ADAPTERS)('fuzzed input over %s', (adapter) => {
  let host: HostApp;
  let user: Client;
  beforeAll(async () => {
    // A budget that does not run out, or everything after the fifth guess would be 429.
    host = await startHostApp({
      adapter,
      options: { attempts: { maxFailures: 100_000, disableAfter: 1_000_000, dailyBurst: 100_000 } },
    });
    user = new Client(host, 'victim');
    await user.enroll();
  });
  afterAll(() => host.close());

  const refuses = async (send: () => PromiseLike<{ status: number; body: unknown }>) => {
    const { status, body } = await send();
    expect({ status, body }).toSatisfy(({ status: got }: { status: number }) => REFUSALS.includes(got));
  };

  it('S24 S67 is never accepted and never returns 5xx as a code', async () => {
    const token = await user.login();
    await fc.assert(
      fc.asyncProperty(anything, (code) => refuses(() => user.verify(token, code))),
      { numRuns: 300 },
    );
  });

  it('S40 S67 is never accepted and never returns 5xx as an mfa_token', async () => {
    await fc.assert(
      fc.asyncProperty(anything, (token) => refuses(() => user.verify(token, '123456'))),
      { numRuns: 300 },
    );
  });

  it('S40 is refused as a real mfa_token with one character changed, cut or added', async () => {
    const token = await user.login();
    const mutations = fc.tuple(
      fc.nat(token.length - 1),
      fc.string({ unit: 'grapheme-ascii', minLength: 0, maxLength: 3 }),
    );
    await fc.assert(
      fc.asyncProperty(mutations, async ([at, put]) => {
        const changed = token.slice(0, at) + put + token.slice(at + 1);
        fc.pre(changed !== token);
        const { body } = await user.verify(changed, '123456');
        expect(['MFA_TOKEN_INVALID', 'MFA_BAD_REQUEST']).toContain(body.code);
      }),
      { numRuns: 300 },
    );
  });

  it.each(['totp/setup', 'totp/confirm', 'step-up', 'backup-codes/regenerate', 'disable', 'authenticators/x/remove'])(
    'S67 is never accepted and never returns 5xx as the JSON body of POST %s',
    async (route) => {
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(fc.jsonValue(), fc.record({ code: anything, name: anything, password: anything })),
          (body) =>
            refuses(() =>
              request(user.server)
                .post(`/mfa/${route}`)
                .set('Authorization', `Bearer ${user.session}`)
                .set('Content-Type', 'application/json')
                .send(JSON.stringify(body)),
            ),
        ),
        { numRuns: 100 },
      );
    },
  );

  it('S48 S67 never returns 5xx as an authenticator id, and renames nothing', async () => {
    const before = (await user.get('/mfa/status')).body.authenticators;
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), (id) =>
        refuses(() => user.patch(`/mfa/authenticators/${encodeURIComponent(id.toWellFormed())}`, { name: 'mine' })),
      ),
      { numRuns: 100 },
    );
    expect((await user.get('/mfa/status')).body.authenticators).toEqual(before);
  });
});

describe('fuzzed storage', () => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({
      options: { attempts: { maxFailures: 100_000, disableAfter: 1_000_000, dailyBurst: 100_000 } },
    });
  });
  afterAll(() => host.close());

  it.each([
    ['mfa_authenticator', 'secret'],
    ['mfa_backup_code', 'hash'],
  ])('S3 S4 S63 is refused like a wrong code as a value of %s.%s', async (table, column) => {
    const user = new Client(host, `stored-${table}`);
    const { authenticator, backupCodes } = await user.enroll();
    const right = () => (table === 'mfa_authenticator' ? authenticator.code() : backupCodes[0]);
    const dataSource = host.app.get<DataSource>(getDataSourceToken());
    const rows: { id: string; value: string }[] = await dataSource.query(
      `SELECT id, ${column} AS value FROM ${table} WHERE user_id = 'stored-${table}'`,
    );
    const write = (id: string, value: string) =>
      dataSource.query(`UPDATE ${table} SET ${column} = ? WHERE id = ?`, [value, id]);

    const alteration = fc.oneof(
      fc.record({ at: fc.nat(1_000), put: fc.constantFrom('', 'A', 'b', '0', '.', '-', '_', '=', ' ', 'ü') }),
      fc.record({
        whole: fc.oneof(fc.string({ maxLength: 300 }), fc.constantFrom('', 'v1', 'v1....', 'gAAAAABk', 'v2.k1.a.b.c')),
      }),
    );
    await fc.assert(
      fc.asyncProperty(alteration, async (change) => {
        for (const { id, value } of rows) {
          const at = 'at' in change ? change.at % value.length : 0;
          const altered = 'at' in change ? value.slice(0, at) + change.put + value.slice(at + 1) : change.whole;
          fc.pre(altered !== value);
          await write(id, altered);
        }
        const answer = await user.verify(await user.login(), right());
        expect(answer.body).toMatchObject({ statusCode: 401, code: 'MFA_CODE_REJECTED' });
      }),
      { numRuns: table === 'mfa_authenticator' ? 150 : 40 },
    );

    for (const { id, value } of rows) await write(id, value);
    await user.verify(await user.login(), right()).expect(200);
  });
});
