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

  /** Tells of a change and lets the host end the sessions that must not outlive it (S60). */
  async changed(change: MfaChange, userId: string, context?: ExecutionContext): Promise<void> {
    this.emit({ type: change, userId });
    await this.host.instance.revokeSessions?.(userId, context, change);
  }

  emit(event: Omit<MfaEvent, 'at'>): void {
    const told = { ...event, at: new Date(this.clock.nowMs()) };
    void Promise.resolve()
      .then(() => this.host.instance.notify?.(told))
      .catch((error: unknown) => {
        this.logger.error(`MfaHost.notify failed for ${told.type}: ${error instanceof Error ? error.name : 'error'}`);
      });
  }
}
