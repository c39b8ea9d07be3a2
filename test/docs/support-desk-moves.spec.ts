import { join } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { MfaAdminService, type MfaEvent } from 'nestjs-mfa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { BY_TEST } from '../support/reset.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, read } from './markdown.js';

type ChangeUserId = (
  app: INestApplicationContext,
  ids: { oldId: string; newId: string; reason: string },
  change: (oldId: string, newId: string) => Promise<void>,
) => Promise<void>;

let example: Example;
let host: HostApp;
let admin: MfaAdminService;
let changeUserId: ChangeUserId;
let ownerMessage: (event: MfaEvent) => string | null;

beforeAll(async () => {
  example = await writeExample(codeFiles(read('docs/guides/support-desk.md')));
  const load = <T>(file: string) => import(join(example.folder, 'src/guides/support', file)) as Promise<T>;
  ({ changeUserId } = await load<{ changeUserId: ChangeUserId }>('change-user-id.ts'));
  ({ ownerMessage } = await load<{ ownerMessage: typeof ownerMessage }>('owner-messages.ts'));
  host = await startHostApp({ options: FEW_CODES });
  admin = host.app.get(MfaAdminService, { strict: false });
});
afterAll(async () => {
  await host?.close();
  await example?.remove();
});

const eventsOf = (userId: string) => host.state.events.filter((event) => event.userId === userId);
const messages = (userId: string) => eventsOf(userId).flatMap((event) => ownerMessage(event) ?? []);

describe('the script of the guide that changes a user id', () => {
  it('S123 moves the factors before the id changes, and leaves nothing under the old id', async () => {
    const user = new Client(host, 'before-merge');
    const { backupCodes } = await user.enroll();
    const ids = { oldId: 'before-merge', newId: 'after-merge', reason: 'case 4715' };
    const seen: unknown[] = [];
    const change = async (oldId: string, newId: string) => {
      seen.push([oldId, newId, (await admin.exportUser(newId)).enabled]);
    };
    await changeUserId(host.app, ids, change);
    expect(seen).toEqual([['before-merge', 'after-merge', true]]);
    const moved = new Client(host, 'after-merge');
    await moved.verify(await moved.login(), backupCodes[0]).expect(200);
    expect(await admin.exportUser('before-merge')).toMatchObject({ enabled: false, authenticators: [] });
    const event = { type: 'mfa.user.moved', previousUserId: 'before-merge', reason: 'case 4715' };
    expect(eventsOf('after-merge')).toContainEqual(
      expect.objectContaining({ ...event, actor: { type: 'system', id: 'id-migration' } }),
    );
    expect(messages('before-merge').filter((text) => !text.startsWith('A second factor was added'))).toEqual([]);
  });

  it('S123 can be called again after a failure, and after its end', async () => {
    const user = new Client(host, 'old-7');
    const { backupCodes } = await user.enroll();
    const ids = { oldId: 'old-7', newId: 'new-7', reason: 'case 4719' };
    const failing = () => Promise.reject(new Error('The database is away'));
    await expect(changeUserId(host.app, ids, failing)).rejects.toThrow('The database is away');
    await user.verify(await user.login(), backupCodes[0]).expect(401);
    for (let again = 0; again < 2; again += 1) await changeUserId(host.app, ids, async () => undefined);
    const moved = new Client(host, 'new-7');
    await moved.verify(await moved.login(), backupCodes[0]).expect(200);
    expect(eventsOf('new-7').filter(({ type }) => type === 'mfa.user.moved')).toHaveLength(1);
  });
});

describe('the steps of the guide after a move', () => {
  it('S123 go back to the old id', async () => {
    const user = new Client(host, 'there');
    const { backupCodes } = await user.enroll();
    await admin.moveUser('there', 'elsewhere', BY_TEST);
    await admin.purgeUser('there', BY_TEST);
    expect((await admin.exportUser('there')).enabled).toBe(false); // so its sign-ins must be blocked
    await admin.moveUser('elsewhere', 'there', BY_TEST);
    await admin.purgeUser('elsewhere', BY_TEST);
    await user.verify(await user.login(), backupCodes[0]).expect(200);
  });

  it('S123 lead on from a mistyped id to the right one', async () => {
    const { backupCodes } = await new Client(host, 'from').enroll();
    await admin.moveUser('from', 'mistyped', BY_TEST);
    await expect(admin.moveUser('from', 'right', BY_TEST)).rejects.toMatchObject({ code: 'MFA_BAD_REQUEST' });
    await admin.moveUser('mistyped', 'right', BY_TEST);
    for (const id of ['from', 'mistyped']) await admin.purgeUser(id, BY_TEST);
    const moved = new Client(host, 'right');
    await moved.verify(await moved.login(), backupCodes[0]).expect(200);
  });
});

describe('the messages of the guide', () => {
  it.each([BY_TEST, { actor: { userId: 'deleted-by' } }])('have no alarm for a purge by %j', async (action) => {
    const userId = `deleted-by-${Object.keys(action.actor)[0]}`;
    await new Client(host, userId).enroll();
    await admin.purgeUser(userId, action);
    await expect.poll(() => eventsOf(userId).map(({ type }) => type)).toContain('mfa.user.purged');
    expect(eventsOf(userId).map(({ type }) => type)).toContain('mfa.disabled');
    expect(messages(userId).map((text) => text.split(' on ')[0])).toEqual(['A second factor was added']);
  });

  it('have one for an owner who disables MFA', async () => {
    const user = new Client(host, 'disabling');
    const { authenticator } = await user.enroll();
    await user.post('/mfa/disable', { code: authenticator.code() }).expect(200);
    await expect.poll(() => messages('disabling')).toContainEqual(expect.stringContaining('was switched off'));
  });
});
