import { createRequire } from 'node:module';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';
import { DataSource } from 'typeorm';

/** What the command lines of TypeORM and of the library both take. */
export default new DataSource({
  type: 'better-sqlite3',
  driver: createRequire(import.meta.url)('libsql'),
  database: 'keys.sqlite',
  migrations: [...MFA_MIGRATIONS],
});
