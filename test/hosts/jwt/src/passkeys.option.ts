import type { MfaPasskeyOptions } from 'nestjs-mfa';

/** Each environment has its own domain, so both values come from the environment. */
export const passkeys: MfaPasskeyOptions = {
  rpId: process.env.PASSKEY_RP_ID ?? 'localhost',
  origins: (process.env.PASSKEY_ORIGINS ?? 'http://localhost:3000').split(','),
};
