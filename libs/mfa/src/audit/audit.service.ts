import { Injectable } from '@nestjs/common';
import { requireUserId } from '../domain/accounts/account.js';
import { type AuditRow, type AuditState, isAuditId, MfaAuditStore } from '../domain/audit/audit.store.js';
import { ThrowsMfaException } from '../errors/throws-mfa-exception.js';
import type { MfaEvent } from '../host/mfa-event.js';

const DEFAULT_LIMIT = 100;
const MOST_ROWS = 1_000;

/** An event of the audit table. */
export interface MfaAuditEntry {
  /** Ids sort by time. The cursor of {@link MfaAuditQuery.after}. */
  id: string;
  /**
   * `done`, or `started`: the event was written before a change, and the process ended or the change failed. It may have
   * been made.
   */
  state: AuditState;
  /** After a purge, `userId` is `purged:` and a keyed hash. */
  event: MfaEvent;
}

export interface MfaAuditQuery {
  /** Left out = every user. */
  userId?: string | number | null | undefined;
  /** The `id` of the last entry of the page before. Left out = the first page. */
  after?: string | null | undefined;
  /** Most entries, 1 to 1000. @default 100 */
  limit?: number | null | undefined;
}

/**
 * Reads the audit table. Without the option `audit` nothing is added to it, and the cleanup removes nothing from it. Authorise the
 * caller first.
 * @example
 * const entries = await this.audit.list({ userId: user.id, limit: 20 });
 */
@Injectable()
@ThrowsMfaException()
export class MfaAuditService {
  constructor(private readonly store: MfaAuditStore) {}

  /**
   * Returns events, the newest first. One statement.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id, cursor or limit
   */
  async list(query?: MfaAuditQuery | null): Promise<MfaAuditEntry[]> {
    const { userId, after, limit } = query ?? {};
    const most = limit ?? DEFAULT_LIMIT;
    if (!Number.isInteger(most) || most < 1 || most > MOST_ROWS) {
      throw new TypeError(`MfaAuditService.list: \`limit\` must be a whole number from 1 to ${MOST_ROWS}`);
    }
    if (after != null && !isAuditId(after)) {
      throw new TypeError('MfaAuditService.list: `after` must be the `id` of an entry');
    }
    const id = userId == null ? undefined : requireUserId(userId, 'MfaAuditService.list');
    const rows = await this.store.list({ userId: id, after: after ?? undefined, limit: most });
    return rows.map(toEntry);
  }

  /**
   * Every event of one user, the newest first. One statement for each 1000.
   * @throws MfaException `MFA_BUSY`; TypeError for an unusable user id
   */
  async listAll(userId: string | number): Promise<MfaAuditEntry[]> {
    const id = requireUserId(userId, 'MfaAuditService.listAll');
    const entries: MfaAuditEntry[] = [];
    for (;;) {
      const page = await this.list({ userId: id, after: entries.at(-1)?.id, limit: MOST_ROWS });
      entries.push(...page);
      if (page.length < MOST_ROWS) return entries;
    }
  }
}

function toEntry({ id, userId, state, event: text }: AuditRow): MfaAuditEntry {
  const { at, actor, authenticator, device, ...event } = JSON.parse(text);
  return {
    id,
    state,
    event: {
      ...event,
      userId,
      at: new Date(at),
      actor: actor.isOwner ? { type: actor.type, id: userId } : actor,
      ...(authenticator && { authenticator: withDate(authenticator) }),
      ...(device && { device: withDate(device) }),
    },
  };
}

/** JSON holds times as text. */
function withDate<T extends { createdAt: string }>(shown: T) {
  return { ...shown, createdAt: new Date(shown.createdAt) };
}
