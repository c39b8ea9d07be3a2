import { Logger } from '@nestjs/common';

/** An outage fails every request; one line in so many milliseconds is enough to find it. */
const QUIET_MS = 10_000;

let lastMs = -QUIET_MS;

/** Logs the cause of an `MFA_BUSY` that comes from the database, which no exception filter logs. */
export function logUnavailable(error: unknown): void {
  const nowMs = performance.now();
  if (nowMs - lastMs < QUIET_MS) return;
  lastMs = nowMs;
  const { code, message } = (error ?? {}) as { code?: string | number; message?: string };
  const cause = [code, message].filter((part) => part !== undefined).join(': ');
  new Logger('nestjs-mfa').error(`The database cannot be used at the moment, MFA requests get 503: ${cause}`);
}
