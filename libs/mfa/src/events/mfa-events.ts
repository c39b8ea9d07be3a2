import { Injectable, Logger, type ExecutionContext, type OnApplicationShutdown } from '@nestjs/common';
import type { Credential } from '../domain/factors/factor.js';
import { MfaClock } from '../domain/clock.js';
import { errorName } from '../domain/mfa-error.js';
import { MfaHostAccess } from '../host/host-access.js';
import { RefusalThrottle } from './refusal-throttle.js';
import type { MfaChange, MfaChangeDraft, MfaEvent, MfaEventAuthenticator, MfaEventDraft } from '../host/mfa-event.js';

/** How often counts that are over are reported, in milliseconds. */
const SWEEP_MS = 60_000;

type Refusal = Extract<MfaEventDraft, { type: 'mfa.verification.failed' }>;

const INFO = ['requestId', 'ip', 'userAgent'] as const;

/** Delivers events to the host. A listener can neither delay nor break the flow. */
// S65
@Injectable()
export class MfaEvents implements OnApplicationShutdown {
  private readonly logger = new Logger('nestjs-mfa');
  private readonly refusals = new RefusalThrottle<Refusal>((refusal, count) => this.emit({ ...refusal, count }));
  private sweep: NodeJS.Timeout | undefined;

  constructor(
    private readonly host: MfaHostAccess,
    private readonly clock: MfaClock,
  ) {}

  /**
   * Delivers the event of a change, then calls `MfaHost.revokeSessions`. The change is already committed, and its
   * response may hold backup codes that are shown once. So an error of the hook is only logged.
   * @returns what the hook returned: the caller's new session. `undefined` = no new session
   */
  // S60, S39
  async changed(
    draft: MfaChangeDraft,
    { enabled, sessionId, context }: Pick<MfaChange, 'enabled' | 'sessionId'> & { context?: ExecutionContext },
  ): Promise<unknown> {
    this.emit(draft, context);
    const { type, userId } = draft;
    const change: MfaChange = { type, userId, enabled, ...(sessionId === undefined ? {} : { sessionId }) };
    try {
      const session: unknown = await this.host.call((host) => host.revokeSessions?.(change, context));
      return session ?? undefined;
    } catch (error) {
      this.logger.error(
        `MfaHost.revokeSessions failed after ${type}; sessions may have outlived it: ${errorName(error)}`,
      );
      return undefined;
    }
  }

  /** Delivers an event. `context` is the request that caused it. */
  emit(draft: MfaEventDraft, context?: ExecutionContext): void {
    try {
      if (!this.host.instance.notify) return;
      const { userId, actor = { type: 'user', id: userId } } = draft;
      void this.deliver({ ...draft, actor, at: new Date(this.clock.nowMs()), ...this.requestInfo(context) });
    } catch (error) {
      // A change is committed by now, so nothing may throw before the host ends its sessions (S60, S79).
      this.logger.error(`MfaHost.notify failed for ${draft.type}: ${errorName(error)}`);
    }
  }

  /**
   * Delivers the event of a refused proof that cost no attempt. Only the first 20 of a user in an hour are events of their
   * own; the rest is one event with a count, at the end of the hour.
   * @returns whether this refusal was an event of its own
   */
  refused(refusal: Refusal, context?: ExecutionContext): boolean {
    const isSingle = this.refusals.admits(refusal.userId, refusal, this.clock.nowMs());
    if (isSingle) this.emit(refusal, context);
    else this.startSweep();
    return isSingle;
  }

  private startSweep(): void {
    this.sweep ??= setInterval(() => this.refusals.endOver(this.clock.nowMs()), SWEEP_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.sweep);
    this.refusals.endAll();
  }

  private async deliver(event: MfaEvent): Promise<void> {
    try {
      await Promise.resolve(); // the flow goes on first
      await this.host.call((host) => host.notify?.(event));
    } catch (error) {
      this.logger.error(`MfaHost.notify failed for ${event.type}: ${errorName(error)}`);
    }
  }

  private requestInfo(context: ExecutionContext | undefined): Partial<Record<(typeof INFO)[number], string>> {
    if (!context) return {};
    try {
      const info = this.host.instance.requestInfo?.(context) ?? {};
      if (info instanceof Promise) {
        // The result is not awaited, so an unhandled rejection would end the process.
        info.catch(() => undefined);
        throw new TypeError('a promise');
      }
      return Object.fromEntries(
        INFO.filter((name) => typeof info[name] === 'string').map((name) => [name, info[name]]),
      );
    } catch (error) {
      this.logger.error(`MfaHost.requestInfo threw, or returned a promise: ${errorName(error)}`);
      return {};
    }
  }
}

/** The authenticator in the form that events use. */
export function eventAuthenticator(
  type: string,
  { id, name, createdAtMs }: Pick<Credential, 'id' | 'name' | 'createdAtMs'>,
): MfaEventAuthenticator {
  return { id, type, name, createdAt: new Date(createdAtMs) };
}
