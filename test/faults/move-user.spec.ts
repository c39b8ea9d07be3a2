import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { StatementRunner } from '../../libs/mfa/src/persistence/statements/statement-runner.js';
import { type DatabaseKind, testDatabases } from '../support/databases.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { MovableUser } from '../support/movable-user.js';
import { PASSKEYS } from '../support/passkey-client.js';
import { withQuickHasher } from '../support/quick-hasher.js';

/** Lets a process die when it has sent so many statements: their results, and all later statements, are lost. */
function dyingAfter(statements: number) {
  const real = StatementRunner.prototype.run;
  let sent = 0;
  const spy = vi.spyOn(StatementRunner.prototype, 'run').mockImplementation(async function (
    this: StatementRunner,
    ...args
  ) {
    sent += 1;
    if (sent > statements) throw new Error('the process died');
    const result = await real.apply(this, args);
    if (sent >= statements) throw new Error('the process died');
    return result;
  });
  return { heal: () => spy.mockRestore(), died: () => sent >= statements };
}

/** After which statements the process dies: on a server every third one, because there are many. */
const stepOn = (database: DatabaseKind) => (database === 'sqlite' ? 1 : 3);

describe.each(testDatabases)('a move to another user id whose process dies, on %s', (database) => {
  let host: HostApp;
  beforeAll(async () => {
    host = await startHostApp({ database, options: { ...FEW_CODES, ...PASSKEYS }, override: withQuickHasher });
  });
  afterAll(() => host.close());
  afterEach(() => vi.restoreAllMocks());

  it('S123 leaves no id without a second step after a statement, and is finished by a repetition', async () => {
    let deaths = 0;
    for (let statements = 1; ; statements += stepOn(database)) {
      const user = await MovableUser.create(host);
      const death = dyingAfter(statements);
      const failure = await user.move().then(
        () => null,
        (error: Error) => error,
      );
      death.heal();
      if (!death.died()) break;
      expect(failure, `after statement ${statements}`).toMatchObject({ message: 'the process died' });
      deaths += 1;
      const isLive = (await user.row(user.moved.userId)) !== undefined;
      const [isOldRequired, isNewRequired] = [await user.isRequired(user.old), await user.isRequired(user.moved)];
      expect(isOldRequired, `the old id after statement ${statements}`).toBe(true);
      expect(isNewRequired, `the new id after statement ${statements}`).toBe(isLive);
      const isTombstone = String((await user.row(user.old.userId))!.active_ids).startsWith('moved-to:');
      expect(isTombstone && !isLive).toBe(false);
      // A code that is spent between the two runs is spent under the new id too.
      expect(await user.useApp(user.old), `after statement ${statements}`).toBe(isTombstone ? 401 : 200);
      await user.move();
      await user.expectMoved();
    }
    expect(deaths).toBeGreaterThan(25 / stepOn(database));
  }, 600_000);
});
