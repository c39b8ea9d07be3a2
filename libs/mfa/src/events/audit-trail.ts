import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { auditId, type LastChange, MfaAuditStore } from '../domain/audit/audit.store.js';
import { busyError, errorName } from '../domain/mfa-error.js';
import { MfaRandom } from '../domain/random.js';
import type { MfaEvent } from '../host/mfa-event.js';
import { MFA_RESOLVED_OPTIONS, type ResolvedMfaOptions } from '../options/resolve-options.js';

/** Writes that wait for their turn. Beyond it, an event without a change is left out of the table. */
const MOST_WAITING = 1_000;
/** How long a purge and a closing application wait for them, in milliseconds. */
const LONGEST_WAIT_MS = 15_000;

/** What the JSON of a move contains. No text within the JSON contains it, because quotes are escaped there. */
const PREVIOUS_ID = '"previousUserId":';

/** An event in the form of the audit table. */
export interface AuditRecord extends LastChange {
  userId: string;
}

/**
 * Writes events into the audit table. What is not part of a change is written one after another in the background, so it
 * neither delays a request nor takes more than one connection.
 */
// S121
@Injectable()
export class AuditTrail {
  /** Whether events are kept. */
  readonly isOn: boolean;
  private readonly logger = new Logger('nestjs-mfa');
  private last: Promise<void> = Promise.resolve();
  private waiting = 0;

  constructor(
    private readonly store: MfaAuditStore,
    private readonly random: MfaRandom,
    @Inject(MFA_RESOLVED_OPTIONS) private readonly options: ResolvedMfaOptions,
  ) {
    this.isOn = options.audit !== null;
  }

  /** The event as JSON. The user id is a column, so that a purge can replace it. */
  recordOf({ userId, ...event }: MfaEvent): AuditRecord {
    const { actor } = event;
    const isOwner = actor.id === userId;
    const text = JSON.stringify({ ...event, actor: isOwner ? { type: actor.type, isOwner } : actor });
    return { id: auditId(event.at.getTime(), this.random.bytes(6)), userId, event: text };
  }

  /**
   * Inserts an event without a change.
   * @param options `requiresAccount` = the user may have been purged before the event. Then it is left out: it would bring the
   * user id back
   */
  add(record: AuditRecord, { requiresAccount = false } = {}): void {
    const row = { ...record, state: 'done' } as const;
    if (this.waiting < MOST_WAITING) this.later(() => this.store.add(row, { patient: true, requiresAccount }));
    else this.logger.error('An event is not in the audit table, because too many others wait to be written');
  }

  /** Inserts the event of a change before the change is made. If it throws, the change must not be made. */
  async begin(record: AuditRecord): Promise<void> {
    await this.store.add({ ...record, state: 'started' });
  }

  /** Marks such an event as done. */
  finish({ id }: AuditRecord): void {
    this.later(() => this.store.finish(id));
  }

  /** Copies the event that the change of an account row stored. If it is lost here, the cleanup copies it. */
  copy(userId: string): void {
    this.later(() => this.store.copyLastChange(userId));
  }

  /** Copies the same at once, before a purge removes the account row as it read it. */
  async keep(userId: string): Promise<void> {
    await this.store.copyLastChange(userId);
  }

  /** Before a purge removes the account row. */
  async beginPurge(record: AuditRecord): Promise<void> {
    await this.keep(record.userId);
    await this.begin(record);
  }

  /** Replaces the user id of a purged user by a keyed hash, after everything else was removed. */
  async finishPurge({ userId, id }: AuditRecord): Promise<void> {
    // A row that is written later would keep the id.
    if (!(await this.settled())) throw busyError();
    await this.pseudonymise(userId, id);
  }

  /** Replaces the user id, and in the same rows the ids that the user had before a move. */
  async pseudonymise(userId: string, finishedId = ''): Promise<void> {
    const moves = await this.store.listContaining(userId, PREVIOUS_ID);
    const previousIds = new Set(moves.map((event) => String(JSON.parse(event).previousUserId)));
    const replacements = [...previousIds].flatMap((id) =>
      // The second one is the id of an actor.
      [PREVIOUS_ID, '"id":'].map((name) => [name + JSON.stringify(id), `${name}"${this.pseudonymOf(id)}"`] as const),
    );
    await this.store.pseudonymise(userId, { pseudonym: this.pseudonymOf(userId), finishedId, replacements });
  }

  private pseudonymOf(userId: string): string {
    const { auditKey } = this.options.keyRing.newest;
    return `purged:${createHmac('sha256', auditKey).update(userId).digest('base64url')}`;
  }

  /** Waits until everything is written that waits now, for 15 seconds at most. Returns whether it is. */
  async settled(): Promise<boolean> {
    const late = new AbortController();
    const written = this.last.then(() => true);
    const isLate = sleep(LONGEST_WAIT_MS, false, { signal: late.signal, ref: false }).catch(() => false);
    return Promise.race([written, isLate]).finally(() => late.abort());
  }

  /** Waits as {@link settled} does, and logs an error if it was too slow. */
  async flush(): Promise<void> {
    if (!(await this.settled())) this.logger.error('The last events are not in the audit table: it was too slow');
  }

  private later(write: () => Promise<void>): void {
    this.waiting += 1;
    this.last = this.last.then(async () => {
      try {
        await write();
      } catch (error) {
        this.logger.error(`A row of the audit table was not written: ${errorName(error)}`);
      } finally {
        this.waiting -= 1;
      }
    });
  }
}
