import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Plain SQL that every database accepts. TypeORM would copy the table on SQLite. */
export class AddUserRole1796000000000 implements MigrationInterface {
  name = 'AddUserRole1796000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE users ADD COLUMN role varchar(16) NOT NULL DEFAULT 'member'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE users DROP COLUMN role');
  }
}
