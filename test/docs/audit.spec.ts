import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import { EventEmitterModule } from '@nestjs/event-emitter';
import { MfaAdminService, type MfaEvent } from 'nestjs-mfa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { startHostApp } from '../support/host-app.js';
import { BY_TEST } from '../support/reset.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, read } from './markdown.js';

interface OwnerMail {
  notify(event: MfaEvent): Promise<void>;
}

let example: Example;
let messageOf: (event: MfaEvent) => string | null;
let OwnerMail: new (send: (userId: string, text: string) => Promise<void>) => OwnerMail;
let MfaMetrics: Type<{ counts: Map<string, number> }>;

beforeAll(async () => {
  const guides = ['audit-and-notifications', 'support-desk', 'trusted-devices'];
  const files = guides.map((name) => codeFiles(read(`docs/guides/${name}.md`)));
  example = await writeExample(new Map(files.flatMap((each) => [...each])));
  const load = <T>(file: string) => import(join(example.folder, 'src/guides/audit', file)) as Promise<T>;
  ({ messageOf, OwnerMail } = await load<{ messageOf: typeof messageOf; OwnerMail: typeof OwnerMail }>(
    'owner-mail.ts',
  ));
  ({ MfaMetrics } = await load<{ MfaMetrics: typeof MfaMetrics }>('mfa-metrics.ts'));
});
afterAll(() => example?.remove());

const shown = { id: '1', type: 'totp', name: 'Phone', label: 'Firefox', createdAt: new Date(0) };
const eventOf = (type: string, at = 0) =>
  ({
    type,
    userId: 'ann',
    at: new Date(at),
    actor: { type: 'user' },
    authenticator: shown,
    device: shown,
  }) as never as MfaEvent;

describe('the guide about audit and notifications', () => {
  const rows = [...read('docs/reference/events.md').matchAll(/^\| (?:\*\*)?`(mfa\.[\w.]+)`.*\| (yes|) *\|$/gm)];
  // It comes with the event of the factor.
  const owed = rows.filter(([, type, owes]) => owes === 'yes' && type !== 'mfa.enrollment.completed');

  it.each(owed.map(([, type]) => [type!]))('has a text for %s', (type) => {
    expect(messageOf(eventOf(type))).toEqual(expect.any(String));
  });

  it('has no text for the other events', () => {
    const others = rows.filter((row) => !owed.includes(row));
    expect([rows.length > 20, owed.length > 10]).toEqual([true, true]);
    expect(others.filter(([, type]) => messageOf(eventOf(type!)) !== null).map(([, type]) => type)).toEqual([]);
  });

  it('sends one message of a type in an hour to each user', async () => {
    const sent: string[] = [];
    const mail = new OwnerMail(async (userId, text) => void sent.push(`${userId} ${text.slice(0, 8)}`));
    for (const at of [0, 1, 3_599_999, 3_600_000]) await mail.notify(eventOf('mfa.reset', at));
    await mail.notify(eventOf('mfa.disabled'));
    await mail.notify({ ...eventOf('mfa.reset'), userId: 'bob' });
    expect(sent).toEqual(['ann Our supp', 'ann Our supp', 'ann Your sec', 'bob Our supp']);
  });

  it('sends a message again after one that failed, and forgets what is older than an hour', async () => {
    const sent: string[] = [];
    let isDown = true;
    const mail = new OwnerMail(async (userId) => {
      if (isDown) throw new Error('The mail server is away');
      sent.push(userId);
    });
    await expect(mail.notify(eventOf('mfa.reset'))).rejects.toThrow('The mail server is away');
    isDown = false;
    await mail.notify(eventOf('mfa.reset', 1));
    await mail.notify(eventOf('mfa.reset', 2));
    expect(sent).toEqual(['ann']);
    for (const at of [3, 3_600_004, 7_200_005])
      await mail.notify({ ...eventOf('mfa.reset', at), userId: `user-${at}` });
    expect(sent).toHaveLength(4);
    expect((mail as unknown as { sentAt: Map<string, number> }).sentAt.size).toBe(1);
  });

  it.each([
    ['mfa.device.trusted', 'device'],
    ['mfa.authenticator.confirmed', 'authenticator'],
  ])("sends a message of %s for each %s, because the second one may be the attacker's", async (type, subject) => {
    let sent = 0;
    const mail = new OwnerMail(async () => void (sent += 1));
    const about = (id: string) =>
      ({ ...eventOf(type), device: undefined, authenticator: undefined, [subject]: { ...shown, id } }) as never;
    for (const id of ['first', 'second', 'first', 'second']) await mail.notify(about(id));
    expect(sent).toBe(2);
  });

  it('counts events of an application with an event emitter', async () => {
    const imports = [EventEmitterModule.forRoot({ wildcard: true })];
    const host = await startHostApp({ imports, providers: [MfaMetrics], options: { backupCodes: { count: 4 } } });
    try {
      const user = new Client(host, 'ann');
      await user.enroll();
      await user.verify(await user.login(), '000000').expect(401);
      await host.app.get(MfaAdminService, { strict: false }).unlock('ann', BY_TEST);
      const { counts } = host.app.get(MfaMetrics);
      expect(Object.fromEntries(counts)).toMatchObject({
        'mfa.authenticator.confirmed user': 1,
        'mfa.verification.failed user wrong_code': 1,
        'mfa.unlocked system': 1,
      });
    } finally {
      await host.close();
    }
  });
});
