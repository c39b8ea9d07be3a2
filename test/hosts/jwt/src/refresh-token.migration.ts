import { Table, type MigrationInterface, type QueryRunner } from 'typeorm';

export class RefreshTokens1795651200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const columns = [
      { name: 'sid', type: 'varchar', length: '36', isPrimary: true },
      { name: 'userId', type: 'varchar', length: '36' },
      { name: 'uses', type: 'int' },
      { name: 'amr', type: 'text' },
      { name: 'mfaAt', type: 'varchar', length: '24', isNullable: true },
      { name: 'expiresAt', type: 'bigint' },
    ];
    const indices = [{ columnNames: ['userId'] }, { columnNames: ['expiresAt'] }];
    await runner.createTable(new Table({ name: 'refresh_token', columns, indices }));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable('refresh_token');
  }
}
