import { NestFactory } from '@nestjs/core';
import { MfaAdminService, type MfaRecoveryCode } from 'nestjs-mfa';
import { UsersService } from './accounts/users.service.js';
import { AppModule } from './app.module.js';
import type { DemoConfig } from './config.js';

/**
 * Issues a recovery code for the user with this e-mail address, as the support desk of a real application would. `null` =
 * there is no such user. It needs the database and the keys of the demo, so it grants no new access.
 */
export async function issueRecoveryCode(config: DemoConfig, email: string): Promise<MfaRecoveryCode | null> {
  const app = await NestFactory.createApplicationContext(AppModule.register(config), {
    abortOnError: false,
    logger: ['warn', 'error'],
  });
  try {
    const user = await app.get(UsersService, { strict: false }).findByEmail(email.trim().toLowerCase());
    const admin = app.get(MfaAdminService, { strict: false });
    return user && (await admin.issueRecoveryCode(user.id, { actor: { system: 'recovery-code' } }));
  } finally {
    await app.close();
  }
}
