import { UsersService } from './accounts/users.service.js';
import { withAccount } from './command.js';
import type { DemoConfig } from './config.js';

/** Makes the user with this e-mail address an administrator. Returns whether there is such a user. */
export async function makeAdmin(config: DemoConfig, email: string): Promise<boolean> {
  const made = await withAccount(config, email, async ({ id }, app) => {
    await app.get(UsersService, { strict: false }).setRole(id, 'admin');
    return true;
  });
  return made === true;
}
