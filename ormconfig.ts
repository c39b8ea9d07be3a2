import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { MFA_ENTITIES } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';

/**
 * The DataSource of the TypeORM command line and of the drift check (`migration:generate --check`).
 * `DATABASE_URL` (postgres:, mysql:, mariadb: or sqlite:<path>) picks the database; the default is a
 * SQLite file in `.data/`.
 */
function connection(url: string | undefined): DataSourceOptions {
  const protocol = url ? url.slice(0, url.indexOf(':')) : 'sqlite';
  switch (protocol) {
    case 'postgres':
    case 'postgresql':
      return { type: 'postgres', url };
    case 'mysql':
      return { type: 'mysql', url };
    case 'mariadb':
      // The driver knows only the one protocol; TypeORM's type decides how columns are compared.
      return { type: 'mariadb', url: url?.replace(/^mariadb:/, 'mysql:') };
    case 'sqlite': {
      const driver: unknown = createRequire(join(process.cwd(), 'ormconfig.js'))('libsql');
      return { type: 'better-sqlite3', driver, database: url?.slice('sqlite:'.length) ?? '.data/mfa.sqlite' };
    }
    default:
      throw new Error(`DATABASE_URL: "${protocol}:" is none of postgres:, mysql:, mariadb:, sqlite:`);
  }
}

export default new DataSource({
  ...connection(process.env.DATABASE_URL),
  entities: [...MFA_ENTITIES],
  migrations: [...MFA_MIGRATIONS],
});
