import 'reflect-metadata';
import { runCommand } from './command.js';
import { issueRecoveryCode } from './recovery-code.js';

/** `npm run recovery-code -- ada@example.com` */
void runCommand('recovery-code', async (config, email) => {
  const issued = await issueRecoveryCode(config, email);
  return issued && `${issued.code}   works once, until ${issued.expiresAt.toISOString()}`;
});
