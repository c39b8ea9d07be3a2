import { Injectable, Logger, type ExecutionContext } from '@nestjs/common';
import { MfaClock } from '../domain/clock.js';
import { MfaHostAccess } from '../host/host-access.js';
import type { MfaChange, MfaEvent } from './mfa-event.js';

/** Tells the host what happened (S65), without letting the host's listener delay or break the flow. */
@Injectable()
export class MfaEvents {
  private readonly logger = new Logger('nestjs-mfa');

  constructor(
    private readonly host: MfaHostAccess,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Tells of a change and lets the host end the sessions that must not outlive it (S60). The change is made by now and
   * its answer may hold backup codes that are shown once (S39): a hook that fails is logged, and loses nothing.
   */
  async changed(change: MfaChange, userId: string, context?: ExecutionContext): Promise<void> {
    this.emit({ type: change, userId });
    try {
      await this.host.instance.revokeSessions?.(userId, context, change);
    } catch (error) {
      this.logger.error(
        `MfaHost.revokeSessions failed after ${change}; sessions may have outlived it: ${nameOf(error)}`,
      );
    }
  }

  emit(event: Omit<MfaEvent, 'at'>): void {
    const told = { ...event, at: new Date(this.clock.nowMs()) };
    void Promise.resolve()
      .then(() => this.host.instance.notify?.(told))
      .catch((error: unknown) => {
        this.logger.error(`MfaHost.notify failed for ${told.type}: ${nameOf(error)}`);
      });
  }
}

/** Its message might quote anything (S64). */
const nameOf = (error: unknown) => (error instanceof Error ? error.name : typeof error);
