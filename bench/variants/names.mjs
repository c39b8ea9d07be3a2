/** What is compared, in the order of the tables. */
export const LABELS = {
  floor: 'floor: bare HTTP, 1 SELECT + 1 UPDATE',
  same: 'bare HTTP, the statements of nestjs-mfa',
  fastify: 'nestjs-mfa on Fastify',
  express: 'nestjs-mfa on Express',
  tutorial: 'usual tutorial on Express',
  'better-auth': 'better-auth',
};

/** What is asked of them; `expected` is the status of every answer. */
export const SCENARIOS = {
  totpRight: { label: 'TOTP, right code', expected: 200 },
  totpWrong: { label: 'TOTP, wrong code', expected: 401 },
  passkeyRight: { label: 'passkey, right response', expected: 200 },
  backupRight: { label: 'backup code, right', expected: 200 },
  backupWrong: { label: 'backup code, wrong', expected: 401 },
};
