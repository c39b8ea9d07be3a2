import type { BrowserContextOptions } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { noBrowser, PASSWORD, useDemo, type DemoPage } from './demo-page.js';

const UNLABELLED = `[...document.querySelectorAll('input')].filter((input) => input.labels.length !== 1).map(({ id }) => id)`;
const REPEATED_IDS = `[...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, index, all) => all.indexOf(id) !== index)`;

describe.skipIf(noBrowser)('the administration in a browser', () => {
  const { visitor, enrolled, makeAdmin, advance } = useDemo('express');

  /** An administrator with the page of the administration open. */
  const administrator = async (options?: BrowserContextOptions): Promise<DemoPage> => {
    const user = await visitor(options);
    await user.register();
    await user.enroll();
    await makeAdmin(user);
    await user.page.reload();
    await user.button('Administration').click();
    await user.heading('Administration');
    return user;
  };

  const found = ({ page }: DemoPage) => page.locator('#found strong').allInnerTexts();
  const facts = ({ page }: DemoPage) => page.locator('#user-facts');
  const search = async (admin: DemoPage, text: string) => {
    await admin.page.getByRole('searchbox', { name: 'Part of the e-mail address' }).fill(text);
    await admin.button('Search').click();
  };
  const open = async (admin: DemoPage, { email }: DemoPage) => {
    await search(admin, email.toUpperCase());
    await admin.button(`Open ${email}`).click();
    await admin.heading(email);
  };
  const act = async ({ page }: DemoPage, action: string, reason = 'Case 4711: lost phone') => {
    await page.getByRole('radio', { name: new RegExp(`^${action}`) }).check();
    await page.getByRole('textbox', { name: 'Reason' }).fill(reason);
    await page.getByRole('button', { name: 'Do it' }).click();
  };
  const issuedCode = async (admin: DemoPage) => {
    await admin.heading('Recovery code');
    return admin.page.locator('#issued-code').innerText();
  };

  it('finds a locked user by the list, and unlocks the user with a reason', async () => {
    const user = await enrolled();
    await user.signOut();
    await user.firstStep();
    for (let i = 0; i < 5; i++) {
      const answered = user.page.waitForResponse('**/mfa/verify');
      await user.field('Code from your authenticator app').fill(`00000${i}`);
      await user.button('Continue').click();
      await answered;
    }
    await user.complains('Too many wrong attempts');
    const admin = await administrator();
    expect(await admin.focused()).toBe('users-search');
    await admin.button('Locked').click();
    await admin.button(`Open ${user.email}`).click();
    await admin.heading(user.email);
    expect(await admin.focused()).toBe('user-title');
    await facts(admin).getByText('authenticator app, until').waitFor();
    await act(admin, 'Unlock', ' ');
    await admin.complains('Enter a reason');
    expect(await admin.focused()).toBe('action-reason');
    await act(admin, 'Unlock');
    await admin.says(`${user.email}: Every lock has ended.`);
    await expect.poll(() => facts(admin).innerText()).toMatch(/Locks\s+none/);
    await admin.button('Locked').click();
    await admin.page.getByText('Nobody.').waitFor();
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Continue').click();
    await user.heading('Your account');
  });

  it('S104 resets a user and issues a recovery code, which is shown once and lets the user set up a new factor', async () => {
    const user = await enrolled();
    const admin = await administrator();
    await open(admin, user);
    await act(admin, 'Reset');
    await admin.says('Every factor is removed');
    await expect.poll(() => facts(admin).innerText()).toMatch(/Must set up a factor\s+since/);
    await act(admin, 'Recovery code');
    const code = await issuedCode(admin);
    expect(await admin.focused()).toBe('issued-title');
    await admin.page.locator('#copy-issued').click();
    expect(await admin.readClipboard()).toBe(code);
    await expect.poll(() => facts(admin).innerText()).toMatch(/Recovery code\s+issued, until/);
    await open(admin, user);
    expect(await admin.page.content()).not.toContain(code);

    await user.page.reload();
    await user.heading('Sign in');
    await user.firstStep();
    await user.heading('Set up a second factor');
    await user.button('Continue').click();
    await user.field('Recovery code').fill(code);
    await user.button('Continue').click();
    await user.readKey();
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Confirm').click();
    await user.keepBackupCodes();
  });

  it('revokes the trusted browsers of a user', async () => {
    const user = await enrolled();
    await user.signOut();
    await user.firstStep();
    await user.page.getByRole('checkbox').check();
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Continue').click();
    await user.heading('Your account');
    const admin = await administrator();
    await open(admin, user);
    await expect.poll(() => facts(admin).innerText()).toMatch(/Trusted browsers\s+Chrome on .+, last used/);
    await act(admin, 'Revoke trusted browsers');
    await admin.says('No browser is trusted any more');
    await user.signOut();
    await user.firstStep();
    await user.heading('Enter your code');
  });

  it('asks for a second step after five minutes, before a search and before an action', async () => {
    const user = await enrolled();
    const admin = await administrator();
    advance(301);
    await search(admin, user.email);
    await admin.heading('Confirm that it is you');
    await admin.button('Cancel').click();
    expect(await found(admin)).toEqual([]);
    await admin.button('Search').click();
    await admin.answerDialog('Confirm', admin.nextCode());
    await admin.button(`Open ${user.email}`).click();
    await admin.heading(user.email);
    advance(301);
    await act(admin, 'Recovery code');
    await admin.answerDialog('Confirm', admin.nextCode());
    await issuedCode(admin);
  });

  it('S104 refuses an administrator a recovery code and a reset for the own account, and says why', async () => {
    const admin = await administrator();
    await open(admin, admin);
    await act(admin, 'Recovery code');
    await admin.complains('An administrator cannot issue a recovery code for their own account.');
    expect(await admin.page.locator('#issued').isVisible()).toBe(false);
    await act(admin, 'Reset');
    await admin.complains('Ask another administrator to reset your own account.');
  });

  it('shows in the audit log who did what to whom, and why', async () => {
    const user = await enrolled();
    const admin = await administrator();
    const events = () => admin.page.locator('#events .row-text').allInnerTexts();
    await open(admin, user);
    await act(admin, 'Unlock', 'Case 4712: new phone');
    await admin.says('Every lock has ended');
    await admin.button('Show events of this user').click();
    await admin.heading(`Events of ${user.email}`);
    expect(await admin.focused()).toBe('events-title');
    expect((await events())[0]).toMatch(
      new RegExp(`^mfa.unlocked\\n${user.email}, by ${admin.email}\\n.+ · Case 4712: new phone · from \\S+$`),
    );
    expect((await events()).join()).toContain('mfa.setup.started');
    expect((await events()).join()).not.toContain(`mfa.authenticator.confirmed\n${admin.email}`);
    await admin.button('Show all events').click();
    await admin.heading('Events of all users');
    expect((await events()).join()).toContain(`mfa.authenticator.confirmed\n${admin.email}`);
  });

  it('is not offered to a member, and forgets what it showed when the administrator signs out', async () => {
    const member = await enrolled();
    expect(await member.button('Administration').isVisible()).toBe(false);
    const admin = await administrator();
    await open(admin, member);
    await act(admin, 'Recovery code');
    const code = await issuedCode(admin);
    await admin.button('Show events of this user').click();
    await admin.heading(`Events of ${member.email}`);
    await admin.button('Sign out').click();
    await admin.heading('Sign in');
    const left = await admin.page.evaluate<string>('document.querySelector("main").textContent');
    expect([left.includes(code), left.includes(member.email)]).toEqual([false, false]);
  });

  it('shows more users page by page', async () => {
    const admin = await administrator();
    for (let i = 10; i < 32; i++) {
      const credentials = { email: `many-${i}@example.com`, password: PASSWORD };
      await fetch(`${admin.url}/auth/register`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(credentials),
      });
    }
    await search(admin, 'many-');
    await expect.poll(() => found(admin)).toHaveLength(20);
    await admin.button('More').click();
    await expect.poll(() => found(admin)).toHaveLength(22);
    expect(await admin.button('More').isVisible()).toBe(false);
  });

  it.each([
    ['light', { viewport: { width: 320, height: 640 } }],
    ['dark', { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }],
    ['wide', { viewport: { width: 1280, height: 800 } }],
  ] as const)('fits into a window that is %s, and every field has a label', async (tone, options) => {
    const admin = await administrator(options);
    await open(admin, admin);
    const user = await enrolled();
    await open(admin, user);
    await act(admin, 'Recovery code');
    await issuedCode(admin);
    await admin.button('Show events of this user').click();
    await admin.heading(`Events of ${user.email}`);
    await admin.screenshot(`admin-${tone}`);
    expect(await admin.overflow()).toBeLessThanOrEqual(0);
    expect(await admin.page.evaluate(UNLABELLED)).toEqual([]);
    expect(await admin.page.evaluate(REPEATED_IDS)).toEqual([]);
  });
});
