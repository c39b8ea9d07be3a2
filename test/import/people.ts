import { HOTP, Secret } from 'otpauth';

/** The secret of the imported users. */
export const SECRET = 'HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ';
/** Its code at that time, or so many steps away from it. */
export const codeAt = (nowMs: number, steps = 0) =>
  HOTP.generate({ secret: Secret.fromBase32(SECRET), counter: Math.floor(nowMs / 30_000) + steps });

/** The plan for the tables `people`, `people_codes` and `people_usage`. */
export const PLAN = {
  from: { table: 'people', columns: { userId: 'id', secret: 'secret', enabled: 'enabled' } },
  backupCodes: { table: 'people_codes', columns: { userId: 'person', hash: 'hash', usedAt: 'used' } },
  usage: { table: 'people_usage', columns: { userId: 'person', window: 'window' } },
};
