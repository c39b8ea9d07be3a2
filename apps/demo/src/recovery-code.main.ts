import 'reflect-metadata';
import { loadConfig } from './config.js';
import { choosePort } from './origin.js';
import { issueRecoveryCode } from './recovery-code.js';
import { explainStartProblem } from './start-problem.js';

/** `npm run recovery-code -- ada@example.com`, with the variables of `npm start`. */
async function main(email: string | undefined): Promise<void> {
  if (email === undefined) return refuse('give the e-mail address: npm run recovery-code -- ada@example.com');
  const issued = await issueRecoveryCode(await choosePort(loadConfig()), email);
  if (!issued) return refuse('there is no account with this e-mail address');
  console.log(`${issued.code}   works once, until ${issued.expiresAt.toISOString()}`);
}

function refuse(reason: unknown): never {
  console.error('No recovery code:', reason);
  process.exit(1);
}

main(process.argv[2]).catch((error: unknown) => refuse(explainStartProblem(error)));
