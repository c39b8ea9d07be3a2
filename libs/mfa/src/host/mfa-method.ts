/** A way to pass the second factor. A factor of the host adds its own. */
export type MfaMethod = 'totp' | 'backup_code' | 'passkey' | 'email' | 'sms' | (string & {});
