import type { MfaEvent } from 'nestjs-mfa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AuditGuide, type Entry, loadAuditGuide, Queue } from './audit-guide.js';
import { read } from './markdown.js';

let guide: AuditGuide;
let messageOf: AuditGuide['messageOf'];
beforeAll(async () => {
  guide = await loadAuditGuide();
  ({ messageOf } = guide);
});
afterAll(() => guide?.remove());

const shown = { id: '1', type: 'totp', name: 'Phone', label: 'Firefox', createdAt: new Date(0) };
const eventOf = (type: string, at = 0, actor = 'user') =>
  ({
    type,
    userId: 'ann',
    at: new Date(at),
    actor: { type: actor },
    authenticator: shown,
    device: shown,
  }) as never as MfaEvent;

describe('the messages of the guide about audit and notifications', () => {
  const rows = [
    ...read('docs/reference/events.md').matchAll(/^\| (?:\*\*)?`(mfa\.[\w.]+)`.*\| (yes|unless [^|]+?|) *\|$/gm),
  ].map(([, type = '', owes = '']) => ({ type, owes }));
  const owed = rows.filter(({ owes }) => owes !== '');

  /** Who may cause an event whose message the table limits. */
  const LIMITS: Record<string, string[]> = {
    '': [],
    yes: ['user', 'admin'],
    'unless the owner did it': ['admin'],
    'unless it was a purge': ['user'],
  };

  it('exist for each event that the table requires a message about', () => {
    expect([rows.length > 20, owed.length > 10]).toEqual([true, true]);
    const withText = (actor: string) => rows.filter(({ type }) => messageOf(eventOf(type, 0, actor)) !== null);
    for (const actor of ['user', 'admin'])
      expect(withText(actor), actor).toEqual(rows.filter(({ owes }) => LIMITS[owes]!.includes(actor)));
    const limited = owed.filter(({ owes }) => owes !== 'yes').map(({ type }) => type);
    expect(limited).toEqual(['mfa.disabled', 'mfa.device.revoked']);
  });

  it('names the day on which a key was added, because two keys can have one name', () => {
    expect(messageOf(eventOf('mfa.passkey.clone_suspected', 9e11))).toContain('1970-01-01');
  });

  it('sends one message of a type in an hour to each user', async () => {
    const queue = new Queue();
    const mail = new guide.OwnerMail(queue);
    for (const at of [0, 1, 3_599_999, 3_600_000]) await mail.notify(eventOf('mfa.reset', at));
    await mail.notify(eventOf('mfa.disabled'));
    await mail.notify({ ...eventOf('mfa.reset'), userId: 'bob' });
    const sent = [...queue.jobs.values()].map(({ userId, text }) => `${userId} ${text.slice(0, 8)}`);
    expect(sent).toEqual(['ann Our supp', 'ann Our supp', 'ann Your sec', 'bob Our supp']);
    expect([...queue.jobs.keys()].join()).not.toContain('ann');
  });

  it.each(['mfa.authenticator.confirmed', 'mfa.recovered'])('doubles no message of %s', async (type) => {
    const queue = new Queue();
    const mail = new guide.OwnerMail(queue);
    await mail.notify(eventOf(type));
    await mail.notify(eventOf('mfa.enrollment.completed', 1));
    expect(queue.textsOf('ann')).toEqual([messageOf(eventOf(type))]);
  });

  it.each([
    ['mfa.device.trusted', 'device'],
    ['mfa.authenticator.confirmed', 'authenticator'],
  ])("sends a message of %s for each %s, because the second one may be the attacker's", async (type, subject) => {
    const queue = new Queue();
    const mail = new guide.OwnerMail(queue);
    const about = (id: string) =>
      ({ ...eventOf(type), device: undefined, authenticator: undefined, [subject]: { ...shown, id } }) as never;
    for (const id of ['first', 'second', 'first', 'second']) await mail.notify(about(id));
    expect(queue.jobs.size).toBe(2);
  });

  it('sends a message again after one that failed', async () => {
    const queue = new Queue();
    const mail = new guide.OwnerMail(queue);
    queue.isDown = true;
    await expect(mail.notify(eventOf('mfa.reset'))).rejects.toThrow('The queue is away');
    queue.isDown = false;
    await mail.notify(eventOf('mfa.reset', 1));
    await mail.notify(eventOf('mfa.reset', 2));
    expect(queue.textsOf('ann')).toHaveLength(1);
  });

  it('reads the events of the last two hours page by page, and sends nothing about one that is only started', async () => {
    const now = 10 * 3_600_000;
    // The newest first: one event in each four seconds.
    const entries: Entry[] = Array.from({ length: 3000 }, (_, at) => {
      const event = { ...eventOf('mfa.reset', now - at * 4_000, 'admin'), userId: `user-${at}` };
      return { id: String(at), state: at === 7 ? 'started' : 'done', event };
    });
    const reads: (string | undefined)[] = [];
    const list = async ({ after, limit }: { after?: string; limit: number }) => {
      reads.push(after);
      const from = after === undefined ? 0 : Number(after) + 1;
      return entries.slice(from, from + limit);
    };
    const queue = new Queue();
    await new guide.MissedMessages({ list }, new guide.OwnerMail(queue)).send(new Date(now));
    expect(reads).toEqual([undefined, '999']);
    expect([queue.jobs.size, queue.textsOf('user-7'), queue.textsOf('user-1800').length]).toEqual([1800, [], 1]);
    expect(queue.textsOf('user-1801')).toEqual([]);
  });
});
