/**
 * Counts the library files in which code runs for one `POST /mfa/verify` (target P12: at most 35).
 * Compiles the library file by file, starts an application on SQLite, and asks V8 which functions ran.
 * Run it: `node scripts/files-per-verification.mjs`. It exits with 1 when the count is above the target.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import 'reflect-metadata';
import { Body, Controller, Injectable, Module, Post } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import Libsql from 'libsql';

const TARGET = 35;
const PASSWORD = 'correct horse battery staple';
const require = createRequire(import.meta.url);
const library = fileURLToPath(new URL('../libs/mfa', import.meta.url));
const compiled = join(library, `.files-${process.pid}`);

/** Gives `target` the decorators that TypeScript would write. */
function decorate(target, ...decorators) {
  return decorators.reduce((decorated, decorator) => decorator(decorated) ?? decorated, target);
}

/** A small application: one login route, sessions by bearer token, SQLite in memory. */
function createApplicationModule({ MfaModule, MfaHost, MfaChallengeService, SkipMfa }, { MFA_MIGRATIONS }) {
  class Host extends MfaHost {
    principal(context) {
      const { authorization } = context.switchToHttp().getRequest().headers;
      return authorization ? { userId: 'ada', accountName: 'ada', sessionId: 's1' } : null;
    }
    completeLogin = ({ userId }) => ({ accessToken: userId });
    verifyPassword = (_principal, password) => password === PASSWORD;
    revokeSessions() {}
  }
  class LoginController {
    constructor(challenges) {
      this.challenges = challenges;
    }
    login({ user }) {
      return this.challenges.issue(user);
    }
  }
  Reflect.defineMetadata('design:paramtypes', [MfaChallengeService], LoginController);
  Body()(LoginController.prototype, 'login', 0);
  const descriptor = Object.getOwnPropertyDescriptor(LoginController.prototype, 'login');
  for (const each of [Post('login'), SkipMfa()]) each(LoginController.prototype, 'login', descriptor);
  return decorate(
    class {},
    Module({
      imports: [
        TypeOrmModule.forRoot({
          type: 'better-sqlite3',
          driver: Libsql,
          database: ':memory:',
          autoLoadEntities: true,
          migrations: MFA_MIGRATIONS,
          migrationsRun: true,
        }),
        MfaModule.forRoot({
          issuer: 'Acme',
          keys: [{ id: 'k1', secret: randomBytes(32).toString('base64') }],
          host: decorate(Host, Injectable()),
        }),
      ],
      controllers: [decorate(LoginController, Controller())],
    }),
  );
}

/** Sends JSON and returns the body of the response, which must be successful. */
async function post(url, body, headers = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`POST ${new URL(url).pathname} returned ${response.status}: ${answer.code}`);
  return answer;
}

/** The compiled files of the library in which a function ran while `work` lasted. */
async function filesThatRan(work) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  await session.post('Profiler.takePreciseCoverage'); // sets all counts back to zero
  await work();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  session.disconnect();
  return result
    .filter(({ url, functions }) => url.includes(compiled) && functions.some(({ ranges }) => ranges[0].count > 0))
    .map(({ url }) => relative(compiled, url.replace('file://', '')).replace(/\.js$/, '.ts'))
    .filter((file) => !file.endsWith('/index.ts')) // barrels: their getters run, and nothing else is in them
    .sort();
}

async function measure() {
  const mfa = require(join(compiled, 'index.js'));
  const { FixedClock, VirtualAuthenticator } = require(join(compiled, 'testing.js'));
  const { Test } = await import('@nestjs/testing');
  const clock = new FixedClock();
  const module = await Test.createTestingModule({
    imports: [createApplicationModule(mfa, require(join(compiled, 'migrations.js')))],
  })
    .overrideProvider(mfa.MfaClock)
    .useValue(clock)
    .compile();
  const app = module.createNestApplication({ logger: false });
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const session = { authorization: 'Bearer session' };
  const { otpauthUri } = await post(`${url}/mfa/totp/setup`, { password: PASSWORD }, session);
  const phone = new VirtualAuthenticator(otpauthUri, clock);
  await post(`${url}/mfa/totp/confirm`, { code: phone.code() }, session);
  const verifyOnce = async () => {
    clock.advance(30);
    const { mfa_token } = await post(`${url}/login`, { user: 'ada' });
    const code = phone.code();
    return () => post(`${url}/mfa/verify`, { mfa_token, code });
  };
  await (
    await verifyOnce()
  )(); // what runs once in the life of a process is not counted
  const files = await filesThatRan(await verifyOnce());
  await app.close();
  return files;
}

try {
  const tsc = require.resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', join(library, 'tsconfig.build.cjs.json'), '--outDir', compiled]);
  writeFileSync(join(compiled, 'package.json'), '{ "type": "commonjs" }\n');
  const files = await measure();
  console.log(files.join('\n'));
  console.log(`${files.length} library files run for one POST /mfa/verify (at most ${TARGET})`);
  process.exitCode = files.length > TARGET ? 1 : 0;
} finally {
  rmSync(compiled, { recursive: true, force: true });
}
