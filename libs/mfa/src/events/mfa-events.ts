import { channel } from 'node:diagnostics_channel';
import { Injectable, Logger, Optional, type ExecutionContext, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { LastChange } from '../domain/audit/audit.store.js';
import type { Credential } from '../domain/factors/factor.js';
import { MfaClock } from '../domain/clock.js';
import { errorName } from '../domain/mfa-error.js';
import { MfaHostAccess } from '../host/host-access.js';
import { type AuditRecord, AuditTrail } from './audit-trail.js';
import { type EventEmitter, findEventEmitter } from './event-emitter.js';
import { RefusalThrottle } from './refusal-throttle.js';
import type {
  MfaChange,
  MfaChangeDraft,
  MfaChangeType,
  MfaEvent,
  MfaEventAuthenticator,
  MfaEventDraft,
} from '../host/mfa-event.js';

/** How often counts that are over are reported, in milliseconds. */
const SWEEP_MS = 60_000;

type Refusal = Extract<MfaEventDraft, { type: 'mfa.verification.failed' }>;

/** An event that is made before its change, so that the change can store it. */
export interface PreparedEvent {
  event: MfaEvent;
  /** What the change of the account row stores. `null` = there is no audit table. */
  lastChange: LastChange | null;
  record: AuditRecord | null;
  /** Whether the audit table has it as `started`. */
  isStarted?: true;
}

/** Every event is published here, for monitoring tools. Without a subscriber it costs nothing. */
const CHANNEL = channel('nestjs-mfa:event');

/**
 * Delivers events to `MfaHost.notify`, to the `EventEmitter2` of the host and to a diagnostics channel. A listener can
 * neither delay nor break the flow.
 */
// S65, S122
@Injectable()
export class MfaEvents implements OnModuleInit {
  private readonly logger = new Logger('nestjs-mfa');
  private readonly refusals = new RefusalThrottle<Refusal>((refusal, count) => this.emit({ ...refusal, count }));
  private sweep: NodeJS.Timeout | undefined;
  private emitter: EventEmitter | null = null;

  constructor(
    private readonly host: MfaHostAccess,
    private readonly clock: MfaClock,
    @Optional() private readonly modules?: ModulesContainer,
    @Optional() private readonly audit?: AuditTrail,
  ) {}

  onModuleInit(): void {
    this.emitter = this.modules ? findEventEmitter(this.modules) : null;
  }

  /**
   * Delivers the event of a change, then calls `MfaHost.revokeSessions`. The change is already committed, and its
   * response may hold backup codes that are shown once. So an error of the hook is only logged.
   * @param options what the hook receives. Without a `context`, it ends every session of the user
   * @param request the request for the event, where the hook must not receive it
   * @returns what the hook returned: the caller's new session. `undefined` = no new session
   */
  // S60, S39
  async changed(
    draft: MfaChangeDraft | PreparedEvent,
    { enabled, sessionId, context }: Pick<MfaChange, 'enabled' | 'sessionId'> & { context?: ExecutionContext },
    request = context,
  ): Promise<unknown> {
    if ('event' in draft && draft.isStarted) this.finish(draft);
    else if ('event' in draft) this.committed(draft);
    else this.emit(draft, request);
    const { type, userId } = 'event' in draft ? draft.event : draft;
    const change: MfaChange = {
      type: type as MfaChangeType,
      userId,
      enabled,
      ...(sessionId === undefined ? {} : { sessionId }),
    };
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
      if (!this.host.instance.notify && !this.emitter && !CHANNEL.hasSubscribers && !this.audit?.isOn) return;
      const { event, record } = this.prepare(draft, context);
      if (record) this.audit?.add(record, { requiresAccount: mayFollowPurge(draft) });
      queueMicrotask(() => this.deliver(event)); // the flow goes on first
    } catch (error) {
      // A change is committed by now, so nothing may throw before the host ends its sessions (S60, S79).
      this.logger.error(`The event ${draft.type} was not delivered: ${errorName(error)}`);
    }
  }

  /** Makes the event of a change before the change, which stores `lastChange` in the account row. */
  // S121
  prepare(draft: MfaEventDraft, context?: ExecutionContext): PreparedEvent {
    const { userId, actor = { type: 'user', id: userId } } = draft;
    const event = { ...draft, actor, at: new Date(this.clock.nowMs()), ...this.host.requestInfo(context) };
    const record = this.audit?.isOn ? this.audit.recordOf(event) : null;
    return { event, record, lastChange: record && { id: record.id, event: record.event } };
  }

  /** Delivers the event of a change that stored it in the account row. */
  committed({ event, record }: PreparedEvent): void {
    if (record) this.audit?.copy(event.userId);
    queueMicrotask(() => this.deliver(event));
  }

  /**
   * Makes a change that does not store its event in the account row, and delivers the event. With an audit table, the event
   * is written before the change.
   * @param work makes the change. `false` = there was nothing to change, so there is no event
   * @throws as {@link begin}; the change is not made then
   */
  // S121
  async around<T>(draft: MfaEventDraft, work: () => Promise<T>, context?: ExecutionContext): Promise<T> {
    const begun = await this.begin(draft, context);
    const result = await work();
    if (result !== false) this.finish(begun);
    return result;
  }

  /**
   * Like {@link around}, for a change that must be made in any case. If the event cannot be written before it, that is done
   * afterwards in the background. If the change throws, it may have been made, so the event is delivered too.
   */
  async aroundUrgent<T>(draft: MfaEventDraft, work: () => Promise<T>, context?: ExecutionContext): Promise<T> {
    const prepared = this.prepare(draft, context);
    const isBegun = await this.write(prepared).then(
      () => true,
      () => false,
    );
    const deliver = ({ isMade }: { isMade: boolean }) => {
      // What was given up at its deadline may still be written. So this is the same row.
      if (!isBegun && prepared.record) this.audit?.add(prepared.record);
      this.finish({ ...prepared, record: isBegun && isMade ? prepared.record : null });
    };
    const result = await work().catch((error: unknown) => {
      deliver({ isMade: false }); // a row that was written stays `started`
      throw error;
    });
    if (result !== false) deliver({ isMade: true });
    return result;
  }

  /**
   * Makes the event of a change that does not store it in the account row, and writes it to the audit table as `started`.
   * Call {@link finish} after the change.
   * @throws MfaError `MFA_BUSY` while the database cannot be used; any other error of the database as it is
   */
  // S121
  async begin(draft: MfaEventDraft, context?: ExecutionContext): Promise<PreparedEvent> {
    const begun = this.prepare(draft, context);
    await this.write(begun);
    return { ...begun, isStarted: true };
  }

  private async write({ record }: PreparedEvent): Promise<void> {
    if (record) await this.audit?.begin(record);
  }

  /** Delivers the event of a change that was made. */
  finish({ event, record }: PreparedEvent): void {
    if (record) this.audit?.finish(record);
    queueMicrotask(() => this.deliver(event));
  }

  /** Keeps the event that the account row stores, before the row is removed. */
  // S121
  async keepLastChange(userId: string): Promise<void> {
    if (this.audit?.isOn) await this.audit.keep(userId);
  }

  /** Like {@link around}, for a purge. Its last write replaces the user id in the audit table. */
  async aroundPurge(draft: MfaEventDraft, work: () => Promise<void>, context?: ExecutionContext): Promise<void> {
    const { event, record } = this.prepare(draft, context);
    if (record) await this.audit?.beginPurge(record);
    await work();
    // Their counts would become events with the user id later.
    this.refusals.drop(draft.userId);
    if (record) await this.audit?.finishPurge(record);
    else await this.audit?.pseudonymise(draft.userId);
    queueMicrotask(() => this.deliver(event));
  }

  /**
   * Delivers the event of a refused proof for which no attempt stays counted, so that no budget limits it. Only the first
   * 20 of a user with this `failure` in an hour are events of their own; the rest is one event with a count, at the end of
   * the hour.
   * @returns whether this refusal was an event of its own
   */
  refused(refusal: Refusal, context?: ExecutionContext): boolean {
    const isSingle = this.refusals.admits(refusal, this.clock.nowMs());
    if (isSingle) this.emit(refusal, context);
    else this.startSweep();
    return isSingle;
  }

  private startSweep(): void {
    this.sweep ??= setInterval(() => this.refusals.endOver(this.clock.nowMs()), SWEEP_MS).unref();
  }

  /** Emits the counts that were held back, and waits until the audit table has all events, for 15 seconds at most. */
  async flush(): Promise<void> {
    clearInterval(this.sweep);
    this.sweep = undefined;
    this.refusals.endAll();
    await this.audit?.flush();
  }

  /** Each listener gets a copy of the event, which it may change. What it does has no effect on another one. */
  private deliver(event: MfaEvent): void {
    const copy = () => structuredClone(event);
    void this.attempt('MfaHost.notify', event, () => this.host.call((host) => host.notify?.(copy())));
    // With `emit` a listener that rejects would end the process.
    void this.attempt('A listener of EventEmitter2', event, () => this.emitter?.emitAsync(event.type, copy()));
    if (CHANNEL.hasSubscribers) CHANNEL.publish(copy());
  }

  private async attempt(listener: string, { type }: MfaEvent, deliver: () => unknown): Promise<void> {
    try {
      await deliver();
    } catch (error) {
      this.logger.error(`${listener} failed for ${type}: ${errorName(error)}`);
    }
  }
}

/** Whether a purge by another process may come before the event: it is about an earlier moment. */
const mayFollowPurge = (draft: MfaEventDraft) => draft.type === 'mfa.login.superseded' || 'count' in draft;

/** The authenticator in the form that events use. */
export function eventAuthenticator(
  type: string,
  { id, name, createdAtMs }: Pick<Credential, 'id' | 'name' | 'createdAtMs'>,
): MfaEventAuthenticator {
  return { id, type, name, createdAt: new Date(createdAtMs) };
}
