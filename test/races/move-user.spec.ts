import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MfaException } from 'nestjs-mfa';
import type { Response } from 'supertest';
import { BetweenStatements, pointsOn } from '../support/between-statements.js';
import { testDatabases } from '../support/databases.js';
import { DeviceClient } from '../support/device-client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { MovableUser } from '../support/movable-user.js';
import { newKey, PASSKEYS } from '../support/passkey-client.js';
import { withQuickHasher } from '../support/quick-hasher.js';
import { inBothOrders } from '../support/race-outcomes.js';
import { BY_TEST, RESET } from '../support/reset.js';

/** Runs the act, and returns the code of what it throws. `null` = it returned. */
const codeOf = (act: () => Promise<unknown>): Promise<string | null> =>
  act().then(
    () => null,
    ({ code }: { code: string }) => code,
  );

describe.each(testDatabases)('a move to another user id and what comes between its statements, on %s', (database) => {
  let host: HostApp;
  let between: BetweenStatements;

  beforeAll(async () => {
    const options = { ...FEW_CODES, ...PASSKEYS, trustedDevices: {} };
    host = await startHostApp({ database, options, override: withQuickHasher });
    between = new BetweenStatements(host);
  });
  afterAll(() => host.close());

  /** How many codes of an app are spent. */
  async function spentBy(userId: string): Promise<number> {
    const spent = `SELECT COUNT(*) AS n FROM mfa_usage WHERE kind = 'totp' AND user_id = '${userId}'`;
    return Number((await host.dataSource.query(spent))[0].n);
  }

  /** How many events report the move. */
  async function eventsOf({ moved }: MovableUser): Promise<number> {
    await nextTurn();
    return host.state.events.filter(({ type, userId }) => type === 'mfa.user.moved' && userId === moved.userId).length;
  }

  it('S123 accepts one code once over both ids, wherever it is sent to both', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.createWithApp(host);
        const code = user.code();
        let sent: Response[];
        const sendToBoth = async () => {
          const { old, moved } = user;
          // The new id has an mfa_token once it has an account.
          const token = (await moved.loginAnswer()).body.mfa_token as string | undefined;
          sent = [await old.verify(await old.login(), code)];
          if (token) sent.push(await moved.verify(token, code));
        };
        return {
          act: () => user.move(),
          meanwhile: sendToBoth,
          after: async () => {
            const late = await user.moved.verify(await user.moved.login(), code);
            const accepted = [...sent, late].filter(({ status }) => status === 200);
            expect(accepted).toHaveLength(1);
            await user.expectAppMoved();
          },
        };
      },
      pointsOn(database, 0),
    );
  });

  it('S123 accepts one backup code once over both ids, and counts it', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.create(host);
        let used: number[];
        return {
          act: () => user.move(),
          meanwhile: async () => {
            used = [await user.useBackupCode(user.old)];
            if (await user.isRequired(user.moved)) used.push(await user.useBackupCode(user.moved));
          },
          after: async () => {
            expect([...used, await user.useBackupCode(user.moved)].filter((status) => status === 200)).toHaveLength(1);
            await user.expectMoved({ usedMeanwhile: [1] });
          },
        };
      },
      pointsOn(database, 1),
    );
  });

  it('S123 gives no session with a second factor to an old id that was moved during its verification', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.createWithApp(host);
        const mfa_token = await user.old.login();
        const code = user.code();
        const before = await spentBy(user.old.userId);
        let verified: Response;
        return {
          act: async () => (verified = await user.old.verify(mfa_token, code)),
          meanwhile: () => user.move(),
          after: async () => {
            expect(verified.status).toBe(401);
            const isSpent = (await spentBy(user.old.userId)) > before;
            expect((await user.moved.verify(await user.moved.login(), code)).status).toBe(isSpent ? 401 : 200);
            await user.expectAppMoved();
          },
        };
      },
      pointsOn(database, 2),
    );
  });

  it('S123 moves the disabling of MFA or the factors', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.createWithApp(host);
        let disabled: Response;
        return {
          act: () => user.move(),
          meanwhile: async () => void (disabled = await user.old.post('/mfa/disable', user.backupCode(1))),
          after: async () => {
            expect(await user.isRequired(user.old)).toBe(true);
            expect(await user.isRequired(user.moved)).toBe(disabled.status !== 200);
            if (disabled.status !== 200) await user.expectAppMoved();
          },
        };
      },
      pointsOn(database, 3),
    );
  });

  it('S123 refuses a reset that it overtakes as busy or as a request for a moved user', async () => {
    const refusals: string[] = [];
    await between.each(
      async () => {
        const user = await MovableUser.createWithApp(host);
        const reset = () => user.admin().reset(user.old.userId, RESET);
        return {
          act: () =>
            reset().catch(({ code, details }: MfaException) =>
              refusals.push(`${code} ${details.retryAfterSeconds ?? ''}`.trim()),
            ),
          meanwhile: () => user.move(),
          after: async () => expect(await user.isRequired(user.old)).toBe(true),
        };
      },
      pointsOn(database, 0),
    );
    expect(new Set(refusals)).toEqual(new Set(['MFA_BAD_REQUEST', 'MFA_BUSY 1']));
  });

  it('S123 moves the backup codes that a regeneration returned', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.createWithApp(host);
        let made: Response;
        return {
          act: () => user.move(),
          meanwhile: async () => void (made = await user.old.post('/mfa/backup-codes/regenerate', user.backupCode(1))),
          after: async () => {
            if (made.status !== 200) return user.expectAppMoved();
            const [code] = made.body.backupCodes as string[];
            for (const [sent, status] of [
              [user.backupCode(2).code, 401],
              [code, 200],
              [code, 401],
            ] as const)
              expect((await user.moved.verify(await user.moved.login(), sent)).status).toBe(status);
            expect(await user.useApp(user.moved)).toBe(200);
          },
        };
      },
      pointsOn(database, 4),
    );
  });

  it('S123 moves a passkey that is confirmed, or refuses it', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.create(host);
        const key = newKey();
        const setup = await user.old.setupPasskey(user.backupCode(1)).expect(200);
        let confirmed: Response;
        return {
          act: () => user.move(),
          meanwhile: async () => void (confirmed = await user.old.confirmPasskey(key.create(setup.body.options))),
          after: async () => {
            if (confirmed.status !== 200) return user.expectMoved({ usedMeanwhile: [1] });
            expect((await user.moved.signInByPasskey(key)).status).toBe(200);
            await user.expectFactors();
          },
        };
      },
      pointsOn(database, 5),
    );
  });

  it('S123 trusts no device at the old id once it is moved, and none at the new id', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.createWithApp(host);
        const browser = new DeviceClient(host, user.old.userId);
        expect((await browser.trust(user.code())).status).toBe(200);
        let wasTombstone: boolean;
        let isTrusted: boolean;
        return {
          act: () => user.move(),
          meanwhile: async () => {
            wasTombstone = await user.isTombstone();
            isTrusted = await browser.isTrusted();
          },
          after: async () => {
            expect(isTrusted).toBe(!wasTombstone);
            expect(await browser.isTrusted()).toBe(false);
            expect(await new DeviceClient(host, user.moved.userId, browser.browser).isTrusted()).toBe(false);
            await user.expectAppMoved();
          },
        };
      },
      pointsOn(database, 6),
    );
  });

  it('S121 S123 is finished by a second move to the same id in between, and is one event', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.create(host);
        return {
          act: () => user.move(),
          meanwhile: () => user.move(),
          after: async () => {
            expect(await eventsOf(user)).toBe(1);
            await user.expectMoved();
          },
        };
      },
      pointsOn(database, 7),
    );
  });

  it('S121 S123 is finished by one of two parallel moves to the same id, and is one event', async () => {
    for (let round = 0; round < 6; round += 1) {
      const user = await MovableUser.create(host);
      expect(await inBothOrders(round, [() => codeOf(() => user.move()), () => codeOf(() => user.move())])).toContain(
        null,
      );
      expect(await eventsOf(user)).toBe(1);
      await user.expectMoved();
    }
  });

  it('S123 gives the factors to one of two new ids, and the other one verifies nothing', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.create(host);
        const other = new DeviceClient(host, `${user.moved.userId}-b`);
        const moveElsewhere = () => user.admin().moveUser(user.old.userId, other.userId, BY_TEST);
        let first: string | null;
        let second: string | null;
        return {
          act: async () => void (first = await codeOf(() => user.move())),
          meanwhile: async () => void (second = await codeOf(moveElsewhere)),
          after: async () => {
            expect([first, second].toSorted()).toEqual(['MFA_BAD_REQUEST', null]);
            const [winner, loser] = first === null ? [user.moved, other] : [other, user.moved];
            if (await user.isRequired(loser)) expect(await user.useApp(loser)).toBe(401);
            expect(await user.useApp(winner)).toBe(200);
            expect((await winner.signInByPasskey(user.key)).status).toBe(200);
            expect(await user.isRequired(user.old)).toBe(true);
          },
        };
      },
      pointsOn(database, 8),
    );
  });

  it('S123 is either finished or undone by a purge of the old id in between', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.create(host);
        const { admin, old, moved } = { admin: user.admin(), old: user.old, moved: user.moved };
        let move: string | null;
        let purge: string | null;
        return {
          act: async () => void (move = await codeOf(() => user.move())),
          meanwhile: async () => void (purge = await codeOf(() => admin.purgeUser(old.userId, BY_TEST))),
          after: async () => {
            if (purge === 'MFA_BAD_REQUEST') {
              expect(move).toBeNull();
              return user.expectMoved();
            }
            expect(purge).toBeNull();
            const hasAccount = (await user.row(moved.userId)) !== undefined;
            expect(await user.isRequired(moved)).toBe(hasAccount);
            if (move === null && hasAccount) return user.expectFactors();
            if (!hasAccount) return undefined;
            // The purge was first: what the move had copied verifies nothing, until it is purged.
            expect(await user.useApp(moved)).toBe(401);
            expect(await codeOf(() => user.move())).toBe('MFA_BAD_REQUEST');
            return admin.purgeUser(moved.userId, BY_TEST);
          },
        };
      },
      pointsOn(database, 9),
    );
  });

  it('S123 is finished or refused where it comes between the statements of a purge of the old id', async () => {
    await between.each(
      async () => {
        const user = await MovableUser.create(host);
        let move: string | null;
        return {
          act: () => codeOf(() => user.admin().purgeUser(user.old.userId, BY_TEST)),
          meanwhile: async () => void (move = await codeOf(() => user.move())),
          after: async () => {
            const hasAccount = (await user.row(user.moved.userId)) !== undefined;
            expect(move).toBeNull();
            expect(await user.isRequired(user.moved)).toBe(hasAccount);
            if (hasAccount) await user.expectFactors();
            expect(await user.row(user.old.userId)).toBeUndefined();
          },
        };
      },
      pointsOn(database, 10),
    );
  });
});
