import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Column, DataSource, type DataSourceOptions, DeleteDateColumn, Entity, PrimaryColumn } from 'typeorm';
import { purgeExpiring } from '../../libs/mfa/src/persistence/expiring-table.js';
import { createDatabase, type TestDatabase, testDatabases } from '../support/databases.js';

const NOW = Date.UTC(2026, 10, 22, 12);

const asNumber = { to: (value: unknown) => value, from: (value: unknown) => (value === null ? null : Number(value)) };
const dateAsNumber = {
  to: (value?: Date) => value?.getTime(),
  from: (value: unknown) => (value === null ? null : new Date(Number(value))),
};

@Entity({ name: 'number_session' })
class NumberSession {
  @PrimaryColumn({ type: 'int' })
  id!: number;

  @Column({ name: 'ends', type: 'bigint', nullable: true })
  expiresAt!: number | null;
}

@Entity({ name: 'transformed_session' })
class TransformedSession {
  @PrimaryColumn({ type: 'int' })
  id!: number;

  @Column({ name: 'ends', type: 'bigint', nullable: true, transformer: asNumber })
  expiresAt!: number | null;
}

@Entity({ name: 'date_as_number_session' })
class DateAsNumberSession {
  @PrimaryColumn({ type: 'int' })
  id!: number;

  @Column({ name: 'ends', type: 'bigint', nullable: true, transformer: dateAsNumber })
  expiresAt!: Date;
}

@Entity({ name: 'date_session' })
class DateSession {
  @PrimaryColumn({ type: 'int' })
  id!: number;

  // The type is left to TypeORM, as in most hosts: `Date`.
  @Column({ name: 'ends', type: Date, precision: 3, nullable: true })
  expiresAt!: Date | null;

  @DeleteDateColumn()
  deletedAt!: Date | null;
}

@Entity({ name: 'composite_session' })
class CompositeSession {
  @PrimaryColumn({ name: 'the id', type: 'int' })
  id!: number;

  @PrimaryColumn({ type: 'varchar', length: 20 })
  device!: string;

  @Column({ type: 'bigint', nullable: true })
  expiresAt!: number | null;
}

@Entity({ name: 'text_session' })
class TextSession {
  @PrimaryColumn({ type: 'int' })
  id!: number;

  @Column({ type: 'varchar', length: 40 })
  expiresAt!: string;
}

class Unregistered {
  expiresAt!: number;
}

const ENTITIES = [NumberSession, TransformedSession, DateAsNumberSession, DateSession, CompositeSession, TextSession];

describe.each(testDatabases)('purge of expiring tables of the host on %s', (kind) => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createDatabase(kind);
    const options = { ...database.options, entities: ENTITIES, synchronize: true } as DataSourceOptions;
    dataSource = await new DataSource(options).initialize();
  });

  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  beforeEach(async () => {
    for (const entity of ENTITIES) await dataSource.getRepository(entity).clear();
  });

  const ids = async (entity: (typeof ENTITIES)[number]) => {
    const rows = await dataSource
      .getRepository<{ id: number }>(entity)
      .find({ order: { id: 'ASC' }, withDeleted: true });
    return rows.map(({ id }) => id);
  };

  const number = (timeMs: number) => timeMs;
  const date = (timeMs: number) => new Date(timeMs);

  it.each([
    ['epoch milliseconds', NumberSession, number, {}],
    ['a transformed bigint', TransformedSession, number, {}],
    ['a Date behind a transformer', DateAsNumberSession, date, {}],
    ['a Date column', DateSession, date, {}],
    ['a composite key', CompositeSession, number, { device: "pho'ne" }],
  ])('S61 removes expired rows only, oldest first and in batches: %s', async (_, entity, time, rest) => {
    const repository = dataSource.getRepository<object>(entity);
    const rows = [NOW - 3_000, NOW - 2_000, NOW, NOW + 1_000].map((timeMs) => time(timeMs));
    await repository.insert([...rows, undefined].map((expiresAt, id) => ({ id, expiresAt, ...rest })));
    const table = { entity, expiresAt: 'expiresAt' };

    expect(await purgeExpiring(dataSource, { ...table, graceSeconds: 60 }, NOW, 100)).toBe(0);
    expect(await purgeExpiring(dataSource, { ...table, graceSeconds: 1 }, NOW, 1)).toBe(1);
    expect(await ids(entity)).toEqual([1, 2, 3, 4]);
    expect(await purgeExpiring(dataSource, table, NOW, 100)).toBe(2);
    expect(await ids(entity)).toEqual([3, 4]);
    expect(await purgeExpiring(dataSource, table, NOW, 100)).toBe(0);
  });

  it('removes each row once when two purges run at once', async () => {
    const rows = Array.from({ length: 3_000 }, (_, id) => ({ id, expiresAt: NOW - 1 }));
    const repository = dataSource.getRepository(NumberSession);
    for (let start = 0; start < rows.length; start += 500) await repository.insert(rows.slice(start, start + 500));
    const purge = () => purgeExpiring(dataSource, { entity: NumberSession, expiresAt: 'expiresAt' }, NOW, 1_200);
    const removed = [...(await Promise.all([purge(), purge()])), await purge(), await purge()];
    expect(removed.reduce((sum, count) => sum + count)).toBe(3_000);
    expect(await ids(NumberSession)).toEqual([]);
  });

  it('keeps a row whose expiry is extended between the selection and the removal', async () => {
    const repository = dataSource.getRepository(NumberSession);
    await repository.insert([1, 2].map((id) => ({ id, expiresAt: NOW - 1 })));
    const createQueryRunner = dataSource.createQueryRunner.bind(dataSource);
    let prolonged = false;
    const spy = vi.spyOn(dataSource, 'createQueryRunner').mockImplementation((mode) => {
      const runner = createQueryRunner(mode);
      // The selection is the first call, the removal the second.
      if (spy.mock.calls.length !== 2) return runner;
      const connect = vi.spyOn(runner, 'connect').mockImplementationOnce(async () => {
        connect.mockRestore();
        prolonged = (await repository.update({ id: 1 }, { expiresAt: NOW + 1 })).affected === 1;
        return runner.connect();
      });
      return runner;
    });
    const removed = await purgeExpiring(dataSource, { entity: NumberSession, expiresAt: 'expiresAt' }, NOW, 10);
    spy.mockRestore();
    expect({ prolonged, removed, left: await ids(NumberSession) }).toEqual({ prolonged: true, removed: 1, left: [1] });
  });

  it('removes soft-deleted rows too', async () => {
    const repository = dataSource.getRepository(DateSession);
    await repository.insert({ id: 1, expiresAt: new Date(NOW) });
    await repository.softDelete({ id: 1 });
    expect(await purgeExpiring(dataSource, { entity: DateSession, expiresAt: 'expiresAt' }, NOW, 10)).toBe(1);
  });

  it.each([
    [
      'an unknown entity',
      { entity: Unregistered, expiresAt: 'expiresAt' },
      /Unregistered is not an entity.*cleanup\.tables/s,
    ],
    [
      'an unknown property',
      { entity: NumberSession, expiresAt: 'ends' },
      /NumberSession has no column for a property "ends"/,
    ],
    ['a text', { entity: TextSession, expiresAt: 'expiresAt' }, /holds neither dates nor epoch milliseconds/],
  ])('refuses %s', async (_, table, message) => {
    await expect(purgeExpiring(dataSource, table, NOW, 10)).rejects.toMatchObject({
      code: 'MFA_MISCONFIGURED',
      message: expect.stringMatching(message),
    });
  });
});
