import { describe, expect, it } from 'vitest';
import { noBrowser, useDemo } from './demo-page.js';

const UNLABELLED = `[...document.querySelectorAll('input')].filter((input) => input.labels.length !== 1).map(({ id }) => id)`;
const REPEATED_IDS = `[...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, index, all) => all.indexOf(id) !== index)`;

describe.skipIf(noBrowser)('the page', () => {
  const { visitor, enrolled, advance } = useDemo('express');

  it('prints the backup codes and hides the rest of the page', async () => {
    const user = await visitor();
    await user.register();
    await user.startEnrollment('Phone');
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Confirm').click();
    await user.heading('Keep your backup codes');
    await user.page.emulateMedia({ media: 'print' });
    expect(await user.button('Download').isVisible()).toBe(false);
    expect(await user.page.getByRole('banner').isVisible()).toBe(false);
    expect(await user.page.locator('#codes code').last().isVisible()).toBe(true);
    expect(await user.page.getByText(`Backup codes of ${user.email}`).isVisible()).toBe(true);
  });

  it('shows the vault locked in a session from before the enrollment, and unlocks it', async () => {
    const user = await enrolled();
    const code = user.nextCode();
    await user.page.route(
      '**/vault',
      (route) => route.fulfill({ status: 401, json: { code: 'MFA_STEP_UP_REQUIRED' } }),
      { times: 1 },
    );
    await user.page.reload();
    await user.button('Unlock with a code').click();
    await user.answerDialog('Unlock', code);
    await user.button('Send').waitFor();
  });

  it('renames an authenticator, adds another one, and removes it', async () => {
    const user = await enrolled();
    const names = () => user.page.locator('#authenticators strong').allInnerTexts();
    await user.button('Rename Phone').click();
    await user.field('New name').fill('Old phone');
    await user.field('New name').press('Enter');
    await user.says('new name');
    expect(await names()).toEqual(['Old phone']);

    await user.button('Add another authenticator').click();
    await user.page.locator('#setup-name').fill('Tablet');
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Continue').click();
    await user.readKey();
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Confirm').click();
    await user.says('was added');
    await expect.poll(names).toEqual(['Old phone', 'Tablet']);

    await user.button('Remove Old phone').click();
    await user.answerDialog('Remove', user.nextCode());
    await user.says('was removed');
    await expect.poll(names).toEqual(['Tablet']);
  });

  it('makes new backup codes, and refuses the old ones from then on', async () => {
    const user = await enrolled();
    const [old = ''] = user.backupCodes;
    await user.button('Make new backup codes').click();
    await user.answerDialog('Make new codes', user.nextCode());
    await user.keepBackupCodes();
    expect(user.backupCodes).not.toContain(old);
    await user.button('Turn off two-step verification').click();
    await user.answerDialog('Turn off', old, 'backup');
    await user.complains('not accepted');
    await user.page.keyboard.press('Escape');
    expect(await user.page.getByRole('dialog').isVisible()).toBe(false);
  });

  it('says how long to wait after too many wrong codes, and lets a backup code through', async () => {
    const user = await enrolled();
    await user.signOut();
    await user.firstStep();
    for (let i = 0; i < 6; i++) {
      const answered = user.page.waitForResponse('**/mfa/verify');
      await user.field('Code from your authenticator app').fill(`00000${i}`);
      await user.button('Continue').click();
      await answered;
    }
    await user.complains(/Too many wrong attempts.*Try again in 1[45] min/);
    await user.button('Use a backup code instead').click();
    await user.field('Backup code').fill(user.backupCodes[0]!);
    await user.button('Continue').click();
    await user.heading('Your account');
  });

  it('reports the lock in the response to the wrong code that causes it, and names the other kind of code', async () => {
    const user = await enrolled();
    await user.signOut();
    await user.firstStep();
    const locked = user.page.getByText('Too many wrong attempts');
    for (let i = 0; i < 5; i++) {
      expect(await locked.isVisible()).toBe(false);
      const answered = user.page.waitForResponse('**/mfa/verify');
      await user.field('Code from your authenticator app').fill(`00000${i}`);
      await user.button('Continue').click();
      await answered;
    }
    await user.complains(/Too many wrong attempts\. Use a backup code instead\..*Try again in 15 min/);
    expect(await user.page.locator('#second-step-form .problem').getAttribute('role')).toBe('alert');
  });

  it('refuses a code of neither shape without sending a request', async () => {
    const user = await enrolled();
    await user.signOut();
    await user.firstStep();
    await user.heading('Enter your code');
    const sent: string[] = [];
    user.page.on('request', (request) => sent.push(request.url()));
    for (const wrong of ['', '123', '1234567', 'abcdef']) {
      await user.field('Code from your authenticator app').fill(wrong);
      await user.button('Continue').click();
      await user.complains('six digits');
    }
    await user.button('Use a backup code instead').click();
    await user.field('Backup code').fill('ABC');
    await user.button('Continue').click();
    await user.complains('eight letters and digits');
    expect(sent).toEqual([]);
  });

  it('offers new backup codes after a reload of the page that showed them', async () => {
    const user = await visitor();
    await user.register();
    await user.startEnrollment('Phone');
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Confirm').click();
    await user.heading('Keep your backup codes');
    await user.page.reload();
    await user.heading('Make new backup codes?');
    await user.page.keyboard.press('Escape');
    await user.page.locator('#backup-unkept').waitFor();
    await user.page.reload();
    await user.answerDialog('Make new codes', user.nextCode());
    await user.keepBackupCodes();
    expect(user.backupCodes).toHaveLength(10);
    await user.page.reload();
    await user.heading('Your account');
    expect(await user.page.locator('#backup-unkept').isVisible()).toBe(false);
    expect(await user.page.getByRole('dialog').isVisible()).toBe(false);
  });

  it('opens the authenticator app by a button on a phone, and by a link elsewhere', async () => {
    const phone = await visitor({ viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true });
    await phone.register();
    await phone.startEnrollment('Phone');
    const button = phone.page.getByRole('link', { name: 'Open in your authenticator app' });
    expect(await button.getAttribute('href')).toContain(phone.secret);
    expect((await button.boundingBox())!.height).toBeGreaterThanOrEqual(40);
    expect(await phone.page.getByRole('link', { name: 'open it on this device', exact: true }).isVisible()).toBe(false);
  });

  it.each([1280, 360])('shows a message without moving or covering anything, %i pixels wide', async (width) => {
    const user = await visitor({ viewport: { width, height: 740 } });
    const places = (...selectors: string[]) =>
      Promise.all(selectors.map(async (each) => user.page.locator(each).boundingBox()));
    const signedOut = await places('.brand');
    await user.register();
    await user.enroll();
    expect(await places('.brand')).toEqual(signedOut);
    const before = await places('.bar', '#home-title', '#transfer-form');
    await user.transfer('Grace Hopper', '1');
    await user.says('Sent');
    expect(await places('.bar', '#home-title', '#transfer-form')).toEqual(before);
    const [bar, notice, main] = await places('.bar', '#notice', 'main');
    expect(notice!.y).toBeGreaterThanOrEqual(bar!.y + bar!.height);
    expect(notice!.y + notice!.height).toBeLessThanOrEqual(main!.y);
  });

  it('keeps the header in place when a scrollbar appears', async () => {
    const width = 1280;
    const { page } = await visitor({ viewport: { width, height: 1_400 } });
    const look = async () => ({
      scrolls: await page.evaluate<boolean>('document.documentElement.scrollHeight > innerHeight'),
      brand: await page.locator('.brand').boundingBox(),
    });
    const { scrolls, brand } = await look();
    expect(scrolls).toBe(false);
    await page.setViewportSize({ width, height: 300 });
    expect(await look()).toEqual({ scrolls: true, brand });
  });

  it.each(['light', 'dark'] as const)('renders the API description %s when the system is', async (colorScheme) => {
    const { page } = await visitor({ colorScheme });
    await page.getByRole('link', { name: 'API description' }).click();
    await page.getByText('/mfa/verify').waitFor();
    const background = await page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
    const isDark = await page.evaluate<boolean>(`document.documentElement.classList.contains('dark-mode')`);
    expect(isDark).toBe(colorScheme === 'dark');
    if (isDark) expect(background).not.toMatch(/rgba\(0, 0, 0, 0\)|rgb\(255/);
  });

  it('forgets the key on the server too when the setup is cancelled', async () => {
    const user = await visitor();
    await user.register();
    await user.startEnrollment('Phone');
    const cancelled = user.page.waitForResponse('**/mfa/setup/cancel');
    await user.button('Cancel').click();
    expect((await cancelled).status()).toBe(200);
    expect(await (await cancelled).json()).toMatchObject({ pendingSetup: false });
    await user.heading('Your account');
  });

  it('goes back to the first step when the challenge has expired', async () => {
    const user = await enrolled();
    await user.signOut();
    await user.firstStep();
    await user.heading('Enter your code');
    advance(301);
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Continue').click();
    await user.says('took too long');
    await user.heading('Sign in');
  });

  it('shows an error in the form, at the field that it concerns', async () => {
    const user = await visitor();
    await user.button('Create one').click();
    await user.field('E-mail address').fill('nobody');
    await user.button('Create account').click();
    await user.complains('Enter your e-mail address');
    expect(await user.field('E-mail address').getAttribute('aria-invalid')).toBe('true');
    await user.field('E-mail address').fill(user.email);
    await user.page.locator('#register-password').fill('short');
    await user.button('Create account').click();
    await user.complains('at least 8 characters');
    expect(await user.focused()).toBe('register-password');
    await user.page.locator('#register-password').fill('long enough');
    await user.button('Create account').click();
    await user.heading('Your account');
    await user.button('Set up two-step verification').click();
    await user.page.locator('#setup-password').fill('not this one');
    await user.button('Continue').click();
    await user.complains('not your password');
  });

  it('shows the sign-in form when the session has ended', async () => {
    const user = await enrolled();
    await user.context.clearCookies();
    await user.transfer('Grace Hopper', '1');
    await user.says('Your session has ended');
    await user.heading('Sign in');
  });

  it('is usable by keyboard and by assistive technology', async () => {
    const user = await enrolled();
    await user.signOut();
    await user.firstStep();
    await user.heading('Enter your code');
    const { page } = user;
    const code = user.field('Code from your authenticator app');
    expect(await code.getAttribute('autocomplete')).toBe('one-time-code');
    expect(await code.getAttribute('inputmode')).toBe('numeric');
    expect(await user.focused()).toBe('second-step-code');
    expect(await page.evaluate(UNLABELLED)).toEqual([]);
    expect(await page.evaluate(REPEATED_IDS)).toEqual([]);
    expect(await page.getByRole('status').getAttribute('aria-live')).toBe('polite');
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    expect(await page.title()).toContain('Enter your code');
    await code.fill(user.nextCode());
    await page.keyboard.press('Enter');
    await user.heading('Your account');
    expect(await user.focused()).toBe('home-title');
    await user.button('Make new backup codes').press('Enter');
    await user.page.getByRole('dialog', { name: 'Make new backup codes?' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await user.focused()).toBe('regenerate');
  });

  it.each([
    ['narrow and light', { viewport: { width: 360, height: 740 } }],
    ['narrow and dark', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }],
    ['very narrow', { viewport: { width: 320, height: 600 } }],
  ] as const)('fits into a window that is %s', async (_, options) => {
    const user = await visitor(options);
    expect(await user.overflow()).toBe(0);
    await user.register();
    expect(await user.overflow()).toBe(0);
    await user.startEnrollment('A telephone with a rather long name that goes on'.replaceAll(' ', '-'));
    expect(await user.overflow()).toBe(0);
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Confirm').click();
    await user.heading('Keep your backup codes');
    expect(await user.overflow()).toBe(0);
    await user.keepBackupCodes();
    await user.transfer('W'.repeat(40), '10000');
    await user.says('Sent');
    expect(await user.overflow()).toBe(0);
    await user.button('Turn off two-step verification').click();
    expect(await user.overflow()).toBe(0);
    const background = await user.page.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(background).toBe('colorScheme' in options ? 'rgb(14, 20, 19)' : 'rgb(243, 245, 243)');
  });
});
