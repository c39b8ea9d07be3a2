import { MfaAdminService, type MfaRecoveryCode } from 'nestjs-mfa';
import { withAccount } from './command.js';
import type { DemoConfig } from './config.js';

/** Issues a recovery code for the user with this e-mail address. `null` = there is no such user. */
export function issueRecoveryCode(config: DemoConfig, email: string): Promise<MfaRecoveryCode | null> {
  return withAccount(config, email, ({ id }, app) => {
    const admin = app.get(MfaAdminService, { strict: false });
    return admin.issueRecoveryCode(id, { actor: { system: 'recovery-code' } });
  });
}
