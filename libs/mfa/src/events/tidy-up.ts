import { Logger } from '@nestjs/common';
import { errorName, isMfaError } from '../domain/mfa-error.js';

const logger = new Logger('nestjs-mfa');

/**
 * Runs what is left to do after a commit, one step after another. The change is made and was delivered by then, so
 * nothing may throw: a step that fails is logged, and the cleanup removes the rows that stayed.
 */
export async function tidyUp(...steps: (() => Promise<unknown>)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      logger.error(
        `A step after a committed change failed (${errorName(error)}). The change stands, and the cleanup removes the rows that it left`,
      );
    }
  }
}

/** Whether a change certainly was not committed, so that the rows that it wrote can go. Other errors leave that open. */
export function isLostRace(error: unknown): boolean {
  return isMfaError(error) && error.code === 'MFA_CODE_REJECTED';
}
