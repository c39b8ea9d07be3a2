import 'reflect-metadata';
import { runCommand } from './command.js';
import { makeAdmin } from './make-admin.js';

/** `npm run make-admin -- ada@example.com` */
void runCommand('make-admin', async (config, email) =>
  (await makeAdmin(config, email)) ? `${email} is an administrator now` : null,
);
