import type { BrowserContextOptions } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { noBrowser, useDemo, type DemoPage } from './demo-page.js';
import { PasskeyPage } from './passkey-page.js';
import { VirtualKey } from './virtual-key.js';

const DAY = 24 * 60 * 60;
const AGENT = { actor: { userId: 'agent-7' }, reason: 'lost phone' };
const CODE = 'Code from your authenticator app';
const UNLABELLED = `[...document.querySelectorAll('input')].filter((input) => input.labels.length !== 1).map(({ id }) => id)`;

describe.skipIf(noBrowser)('required factors and recovery in a browser', () => {
  const { visitor, enrolled, advance, nowMs, admin } = useDemo('express');

  const staff = async (options?: BrowserContextOptions): Promise<DemoPage> => {
    const user = await visitor(options);
    await user.register('Staff');
    return user;
  };

  const idOf = async ({ page, url }: DemoPage) =>
    ((await (await page.request.get(`${url}/auth/me`)).json()) as { id: string }).id;

  /** From the choice of the method to the account. */
  const enrollApp = async (user: DemoPage) => {
    await user.button('Continue').click();
    await user.readKey();
    await user.field(CODE).fill(user.nextCode());
    await user.button('Confirm').click();
    await user.keepBackupCodes();
  };

  const useRecoveryCode = async (user: DemoPage, code: string) => {
    await user.field('Recovery code').fill(code);
    await user.button('Continue').click();
  };

  it('S100 staff set up an authenticator app within the login, and get no session before', async () => {
    const user = await staff();
    const { page } = user;
    await page.getByText('A real application checks more').waitFor();
    expect(await user.button('Sign out').isVisible()).toBe(false);
    await user.button('Continue').click();
    await user.readKey();
    expect(await user.focused()).toBe('confirm-code');
    expect(await user.field(CODE).getAttribute('autocomplete')).toBe('one-time-code');
    await user.field(CODE).fill('000000');
    await user.button('Confirm').click();
    await user.complains('not accepted');
    expect(await user.context.cookies()).toEqual([]);
    expect(await page.evaluate('[localStorage.length, sessionStorage.length, location.href]')).toEqual([
      0,
      0,
      `${user.url}/`,
    ]);
    await user.field(CODE).fill('');
    const code = user.nextCode();
    await user.paste(`${code.slice(0, 3)} ${code.slice(3)}`);
    await page.keyboard.press('Enter');
    await user.heading('Keep your backup codes');
    await page.emulateMedia({ media: 'print' });
    expect(await page.getByText(`Backup codes of ${user.email}`).isVisible()).toBe(true);
    await page.emulateMedia({ media: null });
    await user.keepBackupCodes();
    await user.button('Send').waitFor();
    expect(await new PasskeyPage(user).amr()).toEqual(['pwd', 'otp', 'mfa']);
    await user.signOut();
    await user.signIn();
  });

  it('S100 staff set up a passkey within the login, also after a cancel in the browser', async () => {
    const user = new PasskeyPage(await staff());
    const key = await VirtualKey.plugIn(user.page, {});
    await key.verifyUser(false);
    // The focus is on the first method.
    await user.page.keyboard.press('ArrowDown');
    await user.user.button('Continue').click();
    await user.user.complains('No passkey was used');
    await key.verifyUser(true);
    await user.user.button('Continue').click();
    await user.user.keepBackupCodes();
    await expect.poll(() => user.listed()).toEqual([expect.stringContaining(': Passkey')]);
    expect(await user.amr()).toEqual(['pwd', 'mfa']);
    await user.startLogin();
    await user.login();
    expect(await user.amr()).toEqual(['pwd', 'hwk', 'user', 'mfa']);
  });

  it('S100 a browser without WebAuthn says so, and offers the app only', async () => {
    const user = await visitor();
    await user.page.addInitScript('delete globalThis.PublicKeyCredential');
    await user.page.reload();
    await user.register('Staff');
    await user.page.getByText('This browser cannot use passkeys.').filter({ visible: true }).waitFor();
    expect(await user.page.getByRole('radio').evaluateAll((all) => all.length)).toBe(1);
    await enrollApp(user);
  });

  it('S101 managers see the date, and must enroll from then on', async () => {
    const user = await visitor();
    const { page } = user;
    const text = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });
    const dueMs = nowMs() + 7 * DAY * 1_000;
    await user.register('Manager');
    expect([dueMs, dueMs + 60_000].map((each) => text.format(each))).toContain(
      await page.locator('#due-date').innerText(),
    );
    await page.getByRole('link', { name: 'Set it up now' }).click();
    expect(await user.focused()).toBe('security-title');
    await user.signOut();
    advance(7 * DAY);
    await user.firstStep();
    await user.heading('Set up a second factor');
    await enrollApp(user);
    expect(await page.locator('#due').isVisible()).toBe(false);
  });

  it('S102 staff keep their last factor, and the page explains why', async () => {
    const user = await staff();
    await enrollApp(user);
    await user.button('Turn off two-step verification').click();
    await user.answerDialog('Turn off', user.backupCodes[0]!, 'backup');
    await user.complains('Your role requires two-step verification');
    await user.button('Cancel').click();
    await user.button('Remove Authenticator app').click();
    await user.answerDialog('Remove', user.nextCode());
    await user.complains('set up another one first');
    await user.button('Cancel').click();
    await user.heading('Your account');
    expect(await user.page.locator('#authenticators li').evaluateAll((all) => all.length)).toBe(1);
  });

  it('S104 a recovery code leads to a new factor, which replaces the old ones', async () => {
    const user = await enrolled();
    const [old = ''] = user.backupCodes;
    const { code } = await admin().issueRecoveryCode(await idOf(user), AGENT);
    await user.signOut();
    await user.firstStep();
    await user.button('I have a recovery code').click();
    await useRecoveryCode(user, 'ABCD-EFGH');
    await user.complains('sixteen letters and digits');
    await useRecoveryCode(user, 'AAAA-AAAA-AAAA-AAAA');
    await user.complains('not accepted');
    await user.field('Recovery code').fill('');
    await user.paste(` ${code.toLowerCase()} `);
    await user.button('Continue').click();
    await user.heading('Set up a second factor');
    await user.page.getByText('it replaces every factor and backup code').waitFor();
    await enrollApp(user);
    expect(user.backupCodes).not.toContain(old);
    await user.signOut();
    await user.firstStep();
    await user.button('Use a backup code instead').click();
    await user.field('Backup code').fill(old);
    await user.button('Continue').click();
    await user.complains('not accepted');
    await user.field('Backup code').fill(user.backupCodes[0]!);
    await user.button('Continue').click();
    await user.heading('Your account');
  });

  it('S102 after a reset the page asks for the recovery code before the setup', async () => {
    const user = await enrolled();
    const id = await idOf(user);
    await admin().reset(id, AGENT);
    const { code } = await admin().issueRecoveryCode(id, AGENT);
    await user.page.reload();
    await user.heading('Sign in');
    await user.firstStep();
    await user.heading('Set up a second factor');
    await user.button('Continue').click();
    await user.complains('An administrator has reset your second factor');
    expect(await user.focused()).toBe('enroll-recovery');
    await useRecoveryCode(user, 'AAAA-AAAA-AAAA-AAAA');
    await user.complains('not accepted');
    await user.field('Recovery code').fill(code);
    await enrollApp(user);
  });

  it('S100 an enrollment that has expired leads back to the sign-in', async () => {
    const user = await staff();
    await user.button('Continue').click();
    await user.readKey();
    advance(901);
    await user.field(CODE).fill(user.nextCode());
    await user.button('Confirm').click();
    await user.says('took too long');
    await user.heading('Sign in');
    await user.firstStep();
    await user.heading('Set up a second factor');
    advance(901);
    await user.button('Continue').click();
    await user.says('took too long');
    await user.heading('Sign in');
  });

  it('S100 of two tabs that enroll, the later setup counts, and the other tab leads back to the sign-in', async () => {
    const first = await staff();
    await first.button('Continue').click();
    await first.readKey();
    const second = await first.newTab();
    await second.firstStep();
    await second.heading('Set up a second factor');
    await second.button('Continue').click();
    await second.readKey();
    expect(second.secret).not.toBe(first.secret);
    await first.field(CODE).fill(first.nextCode());
    await first.button('Confirm').click();
    await first.complains('another tab has made a newer one');
    await first.button('Cancel').click();
    await first.heading('Set up a second factor');
    await second.field(CODE).fill(second.nextCode());
    await second.button('Confirm').click();
    await second.keepBackupCodes();
    await first.button('Continue').click();
    await first.says('your account has changed meanwhile');
    await first.heading('Sign in');
  });

  it.each([
    ['light', { viewport: { width: 320, height: 640 } }],
    ['dark', { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }],
  ] as const)(
    'S100 the enrollment fits into a window that is %s, and every field has a label',
    async (tone, options) => {
      const user = await visitor(options);
      const fits = async (name: string) => {
        await user.screenshot(`required-${name}-${tone}`);
        expect(await user.overflow()).toBe(0);
        expect(await user.page.evaluate(UNLABELLED)).toEqual([]);
      };
      await user.button('Create one').click();
      await fits('register');
      await user.button('Sign in').click();
      await user.register('Staff');
      await fits('choice');
      await user.button('Continue').click();
      await user.readKey();
      await fits('scan');
      await user.button('Cancel').click();
      await enrollApp(user);
      await user.button('Turn off two-step verification').click();
      await user.answerDialog('Turn off', user.nextCode());
      await user.complains('Your role requires');
      await fits('refused');
      await user.button('Cancel').click();
      await user.signOut();
      await user.firstStep();
      await user.button('I have a recovery code').click();
      await user.field('Recovery code').fill('ABCD-EFGH-JKLM-NPQR');
      await fits('recovery');
      const manager = await visitor(options);
      await manager.register('Manager');
      await manager.screenshot(`required-due-${tone}`);
      expect(await manager.overflow()).toBe(0);
    },
  );
});
