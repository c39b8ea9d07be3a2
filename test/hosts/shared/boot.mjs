/**
 * Boots the compiled application outside any test runner: `one` as it is, `two` with both builds of the
 * library loaded in this process, which has to be refused (S44b: two builds have two sets of injection tokens).
 */
import { createRequire } from 'node:module';
import { NestFactory } from '@nestjs/core';

const [, , builds] = process.argv;

async function boot() {
  if (builds === 'two') {
    await import('nestjs-mfa');
    createRequire(import.meta.url)('nestjs-mfa');
  }
  const { AppModule } = await import('./dist/app.module.js');
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
  await app.close();
}

const refusal = await boot().then(
  () => null,
  (error) => String(error?.message ?? error),
);
const good =
  builds === 'two' ? refusal !== null && /ESM|ES module/i.test(refusal) && /CommonJS/i.test(refusal) : refusal === null;
console.log(refusal ?? 'booted');
process.exit(good ? 0 : 1);
