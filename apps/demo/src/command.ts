import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { User } from './accounts/user.entity.js';
import { UsersService } from './accounts/users.service.js';
import { AppModule } from './app.module.js';
import { loadConfig, type DemoConfig } from './config.js';
import { choosePort } from './origin.js';
import { explainStartProblem } from './start-problem.js';

type Work<T> = (user: User, app: INestApplicationContext) => Promise<T>;

/**
 * Runs `work` for the account with this e-mail address, also while the demo runs. `null` = there is no such account. It
 * needs the database and the keys of the demo, so it grants no new access.
 */
export async function withAccount<T>(config: DemoConfig, email: string, work: Work<T>): Promise<T | null> {
  const app = await NestFactory.createApplicationContext(AppModule.register(config), {
    abortOnError: false,
    logger: ['warn', 'error'],
  });
  try {
    const user = await app.get(UsersService, { strict: false }).findByEmail(email.trim().toLowerCase());
    return user && (await work(user, app));
  } finally {
    await app.close();
  }
}

/** A command with an e-mail address as its argument, and with the variables of `npm start`. It prints what `run` returns. */
export async function runCommand(
  name: string,
  run: (config: DemoConfig, email: string) => Promise<string | null>,
): Promise<void> {
  const email = process.argv[2];
  if (email === undefined) return refuse(name, `give the e-mail address: npm run ${name} -- ada@example.com`);
  try {
    const done = await run(await choosePort(loadConfig()), email);
    if (done === null) return refuse(name, 'there is no account with this e-mail address');
    console.log(done);
  } catch (error) {
    refuse(name, explainStartProblem(error));
  }
}

function refuse(name: string, reason: unknown): never {
  console.error(`${name}:`, reason);
  process.exit(1);
}
