/** A Nest application with the built library and nothing else, on Express or Fastify and on any of its databases. */
import 'reflect-metadata';
import { createRequire } from 'node:module';
import { randomUUID } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { MFA_ENTITIES, MfaHost, MfaModule } from 'nestjs-mfa';
import { MFA_MIGRATIONS } from 'nestjs-mfa/migrations';

class BenchHost extends MfaHost {
  principal() {
    return null;
  }

  completeLogin() {
    return { accessToken: randomUUID() };
  }

  completeStepUp() {}
}

class AppModule {}

export const ADAPTERS = { express: ExpressAdapter, fastify: FastifyAdapter };

/** The options of TypeORM for `postgres:`, `mysql:` or `sqlite:<file>`. */
export function dataSourceOptions(url, poolSize) {
  const shared = { entities: MFA_ENTITIES, migrations: MFA_MIGRATIONS, migrationsRun: true };
  if (url.startsWith('postgres')) return { ...shared, type: 'postgres', url, poolSize };
  if (url.startsWith('mysql')) return { ...shared, type: 'mariadb', url, poolSize };
  const driver = createRequire(import.meta.url)('libsql');
  return { ...shared, type: 'better-sqlite3', driver, database: url.slice('sqlite:'.length), enableWAL: true };
}

/** Listens on a free port. `mfa` are further options of the module. */
export async function createLibraryApp({ adapter, databaseUrl, poolSize, key, mfa = {} }) {
  const root = {
    module: AppModule,
    imports: [
      TypeOrmModule.forRoot(dataSourceOptions(databaseUrl, poolSize)),
      MfaModule.forRoot({
        issuer: 'Bench',
        keys: [{ id: 'bench', secret: key }],
        host: BenchHost,
        enrollment: { proof: 'session-only' },
        challenge: { lifetimeSeconds: 3_600 },
        cleanup: false,
        ...mfa,
      }),
    ],
  };
  const app = await NestFactory.create(root, new ADAPTERS[adapter](), { logger: ['error'], abortOnError: false });
  await app.listen(0, '127.0.0.1');
  return app;
}
