import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MfaAdminService } from 'nestjs-mfa';
import type { VirtualAuthenticator } from 'nestjs-mfa/testing';
import { MfaUserMoveStore } from '../../libs/mfa/src/domain/accounts/user-move.store.js';
import { BetweenStatements, pointsOn } from '../support/between-statements.js';
import { Client } from '../support/client.js';
import { testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { BY_TEST } from '../support/reset.js';

/** Runs the act, and returns the code of what it throws. `null` = it returned. */
const codeOf = (act: () => Promise<unknown>): Promise<string | null> =>
  act().then(
    () => null,
    ({ code, message }: { code?: string; message: string }) => code ?? message,
  );

/** A user with an app and backup codes, whose id changes. */
class LightUser {
  private constructor(
    readonly old: Client,
    readonly moved: Client,
    private readonly totp: VirtualAuthenticator,
    private readonly admin: MfaAdminService,
  ) {}

  static async create(host: HostApp): Promise<LightUser> {
    const id = randomUUID().slice(0, 8);
    const [old, moved] = [new Client(host, `old-${id}`), new Client(host, `new-${id}`)];
    const { authenticator } = await old.enroll();
    return new LightUser(old, moved, authenticator, host.app.get(MfaAdminService, { strict: false }));
  }

  move = () => codeOf(() => this.admin.moveUser(this.old.userId, this.moved.userId, BY_TEST));
  moveBack = () => codeOf(() => this.admin.moveUser(this.moved.userId, this.old.userId, BY_TEST));
  purge = ({ userId }: Client) => codeOf(() => this.admin.purgeUser(userId, BY_TEST));

  async isRequired(client: Client): Promise<boolean> {
    return (await client.loginAnswer().expect(201)).body.mfaRequired === true;
  }

  async useApp(client: Client): Promise<number> {
    client.host.clock.advance(30);
    return (await client.verify(await client.login(), this.totp.code())).status;
  }

  /** The id that the host uses after the move requires a second step, which the user can pass. */
  async expectFactors(move: string | null): Promise<void> {
    const used = move === null ? this.moved : this.old;
    expect(await this.isRequired(used)).toBe(true);
    if (move === null) return expect(await this.useApp(used)).toBe(200);
    // A refused move leaves everything as it was, or a purge removed what it had moved.
    if ((await this.useApp(used)) === 401) expect(await this.purge(this.old)).toBeNull();
  }
}

const REFUSALS = [null, 'MFA_BAD_REQUEST', 'MFA_BUSY'];

describe.each(testDatabases)('moves and purges between the statements of each other, on %s', (database) => {
  let host: HostApp;
  let between: BetweenStatements;

  beforeAll(async () => {
    host = await startHostApp({ database, options: FEW_CODES, override: withQuickHasher });
    between = new BetweenStatements(host);
  });
  afterAll(() => host.close());

  /** A move that stops after it has inserted the new account. */
  async function withUnfinishedCopy(): Promise<LightUser> {
    const user = await LightUser.create(host);
    const store = host.app.get(MfaUserMoveStore, { strict: false });
    const open = store.open;
    store.open = async (account) => {
      await open.call(store, account);
      throw new Error('the process dies');
    };
    expect(await user.move()).toBe('the process dies');
    store.open = open;
    return user;
  }

  const users = [
    ['without an account', () => LightUser.create(host)],
    ['with an unfinished copy', withUnfinishedCopy],
  ] as const;

  describe.each(users)('where the new id is %s', (kind, create) => {
    const shift = kind === 'without an account' ? 0 : 1;

    it('S123 a purge of the new id leaves a second step, or the move throws', async () => {
      await between.each(
        async () => {
          const user = await create();
          let move: string | null;
          let purge: string | null;
          return {
            act: async () => void (move = await user.move()),
            meanwhile: async () => void (purge = await user.purge(user.moved)),
            after: async () => {
              expect(REFUSALS).toContain(purge);
              expect(REFUSALS).toContain(move);
              await user.expectFactors(move);
            },
          };
        },
        pointsOn(database, shift),
      );
    });

    it('S123 a move leaves a second step, or one of the two throws', async () => {
      await between.each(
        async (at) => {
          const user = await create();
          let move: string | null;
          let purge: string | null;
          return {
            act: async () => void (purge = await user.purge(user.moved)),
            meanwhile: async () => void (move = await user.move()),
            after: async () => {
              expect(REFUSALS).toContain(purge);
              expect(REFUSALS).toContain(move);
              // The purge has read nothing yet, or only that it is allowed, so it comes after the move.
              if (at <= shift + 1) return expect([move, purge]).toEqual([null, null]);
              return user.expectFactors(move);
            },
          };
        },
        pointsOn(database, shift + 1),
      );
    });
  });

  it('S123 a slow purge of the old id leaves a second step where another purge and a move back were faster', async () => {
    await between.each(
      async (at) => {
        const user = await LightUser.create(host);
        expect(await user.move()).toBeNull();
        let results: (string | null)[];
        return {
          act: () => user.purge(user.old),
          meanwhile: async () => void (results = [await user.purge(user.old), await user.moveBack()]),
          after: async () => {
            // The slow purge has read nothing yet, or only that it is allowed, so it comes after the move.
            if (at <= 1) return;
            expect(results).toEqual([null, null]);
            expect(await user.isRequired(user.old)).toBe(true);
          },
        };
      },
      pointsOn(database, 2),
    );
  });
});
