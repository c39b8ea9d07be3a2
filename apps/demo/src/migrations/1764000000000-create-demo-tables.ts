import {
  Table,
  TableForeignKey,
  TableIndex,
  type MigrationInterface,
  type QueryRunner,
  type TableColumnOptions,
} from 'typeorm';

type Column = Omit<TableColumnOptions, 'type'> & { type: 'varchar' | 'bigint' | 'integer' | 'text' };

/** The demo's own tables, through the schema builder: one migration for SQLite, PostgreSQL and MariaDB/MySQL. */
export class CreateDemoTables1764000000000 implements MigrationInterface {
  name = 'CreateDemoTables1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.createTable(this.users(runner));
    await runner.createTable(this.sessions(runner));
    await runner.createTable(this.transfers(runner));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['vault_transfers', 'user_sessions', 'users']) await runner.dropTable(table);
  }

  private users(runner: QueryRunner): Table {
    return new Table({
      name: 'users',
      columns: columns(runner, [
        { name: 'id', type: 'varchar', length: '36', isPrimary: true, primaryKeyConstraintName: 'pk_users' },
        { name: 'email', type: 'varchar', length: '254' },
        { name: 'password_hash', type: 'varchar', length: '255' },
        { name: 'created_at_ms', type: 'bigint' },
      ]),
      indices: [new TableIndex({ name: 'uq_users_email', columnNames: ['email'], isUnique: true })],
    });
  }

  private sessions(runner: QueryRunner): Table {
    return new Table({
      name: 'user_sessions',
      columns: columns(runner, [
        {
          name: 'token_hash',
          type: 'varchar',
          length: '64',
          isPrimary: true,
          primaryKeyConstraintName: 'pk_user_sessions',
        },
        { name: 'user_id', type: 'varchar', length: '36' },
        { name: 'amr', type: 'text' },
        { name: 'authenticated_at_ms', type: 'bigint' },
        { name: 'mfa_at_ms', type: 'bigint', isNullable: true },
        { name: 'expires_at_ms', type: 'bigint' },
      ]),
      indices: [
        new TableIndex({ name: 'ix_user_sessions_user', columnNames: ['user_id'] }),
        new TableIndex({ name: 'ix_user_sessions_expiry', columnNames: ['expires_at_ms'] }),
      ],
      foreignKeys: [toUser('fk_user_sessions_user')],
    });
  }

  private transfers(runner: QueryRunner): Table {
    return new Table({
      name: 'vault_transfers',
      columns: columns(runner, [
        { name: 'id', type: 'varchar', length: '36', isPrimary: true, primaryKeyConstraintName: 'pk_vault_transfers' },
        { name: 'user_id', type: 'varchar', length: '36' },
        { name: 'recipient', type: 'varchar', length: '80', ...anyScript(runner) },
        { name: 'amount_cents', type: 'integer' },
        { name: 'created_at_ms', type: 'bigint' },
      ]),
      indices: [new TableIndex({ name: 'ix_vault_transfers_user', columnNames: ['user_id', 'created_at_ms'] })],
      foreignKeys: [toUser('fk_vault_transfers_user')],
    });
  }
}

/** Types as the driver itself writes them, so that the entities show no drift. */
function columns(runner: QueryRunner, list: Column[]): TableColumnOptions[] {
  const { driver } = runner.dataSource;
  return list.map((column) => ({ ...column, type: driver.normalizeType({ type: column.type }) }));
}

/** A MariaDB or MySQL database whose default is an older character set would refuse most names. */
function anyScript(runner: QueryRunner): Partial<Column> {
  const isMysql = ['mysql', 'mariadb'].includes(runner.dataSource.options.type);
  return isMysql ? { charset: 'utf8mb4', collation: 'utf8mb4_general_ci' } : {};
}

function toUser(name: string): TableForeignKey {
  return new TableForeignKey({
    name,
    columnNames: ['user_id'],
    referencedTableName: 'users',
    referencedColumnNames: ['id'],
    onDelete: 'CASCADE',
    onUpdate: 'NO ACTION',
  });
}
