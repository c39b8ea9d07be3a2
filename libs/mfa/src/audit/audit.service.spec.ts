import { describe, expect, it } from 'vitest';
import { type AuditQuery, auditId, MfaAuditStore } from '../domain/audit/audit.store.js';
import { MfaAuditService } from './audit.service.js';

const ID = auditId(1_800_000_000_000, Buffer.alloc(6, 0xab));

/** Keeps the queries that reach the store. */
function auditOn(queries: AuditQuery[] = []) {
  const list = async (query: AuditQuery) => (queries.push(query), []);
  return new MfaAuditService({ list } as Partial<MfaAuditStore> as MfaAuditStore);
}

describe('MfaAuditService', () => {
  it('S121 reads the first page of every user where nothing is given', async () => {
    const queries: AuditQuery[] = [];
    const audit = auditOn(queries);
    for (const query of [undefined, null, {}, { userId: null, after: null, limit: null }]) await audit.list(query);
    expect(queries).toEqual(Array(4).fill({ userId: undefined, after: undefined, limit: 100 }));
  });

  it('S121 continues after the id of an entry', async () => {
    const queries: AuditQuery[] = [];
    await auditOn(queries).list({ userId: 7, after: ID, limit: 1000 });
    expect(queries).toEqual([{ userId: '7', after: ID, limit: 1000 }]);
  });

  it.each<[string, unknown]>([
    ['an empty text', ''],
    ['text that is not an id', 'garbage'],
    ['NUL', 'a\0b'],
    ['NUL within an id', `${ID.slice(0, -1)}\0`],
    ['a lone surrogate', '\ud800'],
    ['an id in capital letters', ID.toUpperCase()],
    ['a longer id', `${ID}0`],
    ['a shorter id', ID.slice(0, -1)],
    ['a line break after the id', `${ID}\n`],
    ['a number', 7],
    ['a list with an id', [ID]],
  ])('S121 throws for a cursor with the defect: %s', async (_, after) => {
    await expect(auditOn().list({ after: after as string })).rejects.toThrow(
      new TypeError('MfaAuditService.list: `after` must be the `id` of an entry'),
    );
  });

  it('S121 lists all entries of a user whose id is a number, and never of every user', async () => {
    const queries: AuditQuery[] = [];
    const audit = auditOn(queries);
    await audit.listAll(7);
    expect(queries).toEqual([{ userId: '7', after: undefined, limit: 1000 }]);
    for (const userId of [undefined, null, '', 'a\0b']) {
      await expect(audit.listAll(userId as never)).rejects.toThrow(/^MfaAuditService\.listAll: the user id must be/);
    }
    expect(queries).toHaveLength(1);
  });
});
