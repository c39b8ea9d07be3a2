/**
 * Boots each build of the library, outside any test runner: without the option `passkeys` it never needs
 * @simplewebauthn/server; with the option, a missing package ends the boot with the command that installs it.
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { randomBytes } from 'node:crypto';

const require = createRequire(import.meta.url);
const PASSKEYS = { rpId: 'localhost', origins: ['http://localhost:3000'] };

function isInstalled() {
  try {
    require.resolve('@simplewebauthn/server');
    return true;
  } catch {
    return false;
  }
}

async function boot(build, passkeys) {
  const { MfaHost, MfaModule } = build === 'esm' ? await import('nestjs-mfa') : require('nestjs-mfa');
  const { MFA_MIGRATIONS } = build === 'esm' ? await import('nestjs-mfa/migrations') : require('nestjs-mfa/migrations');
  const { NestFactory } = await import('@nestjs/core');
  const { TypeOrmModule } = await import('@nestjs/typeorm');
  class Host extends MfaHost {
    principal() {
      return null;
    }
    completeLogin() {
      return null;
    }
    verifyPassword() {
      return false;
    }
  }
  const database = { type: 'better-sqlite3', driver: require('libsql'), database: ':memory:', retryAttempts: 0 };
  class Root {}
  const root = {
    module: Root,
    imports: [
      TypeOrmModule.forRoot({
        ...database,
        autoLoadEntities: true,
        migrations: [...MFA_MIGRATIONS],
        migrationsRun: true,
      }),
      MfaModule.forRoot({
        issuer: 'Acme',
        keys: [{ id: 'k1', secret: randomBytes(32).toString('base64') }],
        cleanup: false,
        host: Host,
        passkeys,
      }),
    ],
  };
  const app = await NestFactory.createApplicationContext(root, { logger: false, abortOnError: false });
  await app.close();
}

const [, , build, option] = process.argv;
if (build) {
  await boot(build, option === 'with' ? PASSKEYS : null).then(
    () => console.log('booted'),
    (error) => console.log(String(error?.message ?? error)),
  );
} else {
  const run = (...given) => execFileSync(process.execPath, [process.argv[1], ...given], { encoding: 'utf8' }).trim();
  for (const each of ['esm', 'cjs']) {
    const without = run(each, 'without');
    const withOption = run(each, 'with');
    const expected = isInstalled() ? /^booted$/ : /npm install @simplewebauthn\/server$/;
    console.log(`${each}: ${without}; with passkeys: ${withOption}`);
    if (without !== 'booted' || !expected.test(withOption)) process.exitCode = 1;
  }
}
