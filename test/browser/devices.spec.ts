import { describe, expect, it } from 'vitest';
import { watchEvents } from '../support/watch-events.js';
import { noBrowser, useDemo, type DemoPage } from './demo-page.js';
import { PasskeyPage } from './passkey-page.js';
import { VirtualKey } from './virtual-key.js';

const BOX = "Don't ask again on this browser for 30 days";
const CODE = 'Code from your authenticator app';
const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0';
const UNLABELLED = `[...document.querySelectorAll('input')].filter((input) => input.labels.length !== 1).map(({ id }) => id)`;

describe.skipIf(noBrowser)('trusted browsers', () => {
  const { visitor, enrolled, elsewhere, advance } = useDemo('express');

  const box = ({ page }: DemoPage) => page.getByRole('checkbox', { name: BOX });
  /** The rows of the list: name, "this one", and times. */
  const listed = ({ page }: DemoPage) => page.locator('#devices li .row-text').allInnerTexts();
  const vaultIsOpen = ({ page }: DemoPage) => page.locator('#vault-badge').filter({ hasText: 'Open' }).waitFor();

  /** Both steps with the box ticked. */
  const trust = async (user: DemoPage) => {
    await user.firstStep();
    await user.heading('Enter your code');
    await box(user).check();
    await user.field(CODE).fill(user.nextCode());
    await user.button('Continue').click();
    await user.heading('Your account');
  };
  const isTrusted = async (user: DemoPage) => {
    await user.signOut();
    await user.firstStep();
    await vaultIsOpen(user);
  };
  const isAsked = async (user: DemoPage) => {
    await user.signOut();
    await user.firstStep();
    await user.heading('Enter your code');
  };

  it('S113 trusts the browser of the ticked box only, and each of two browsers can revoke the other', async () => {
    const user = await enrolled();
    await user.page.getByText('None. You can trust a browser').waitFor();
    await user.signOut();
    await trust(user);
    await expect
      .poll(() => listed(user))
      .toEqual([expect.stringMatching(/^Chrome on \w+ this one\nLast used .+ · Expires .+$/)]);
    await isTrusted(user);

    const other = await elsewhere(user, { userAgent: FIREFOX });
    await other.firstStep();
    await other.heading('Enter your code');
    expect(await box(other).isChecked()).toBe(false);
    await other.button('Back to sign in').click();
    await trust(other);
    await expect
      .poll(() => listed(other))
      .toEqual([expect.stringMatching(/^Firefox on Windows this one\n/), expect.stringMatching(/^Chrome on \w+\n/)]);
    await other.page.getByRole('button', { name: /^Revoke Chrome on \w+$/ }).click();
    await other.says(/Chrome on \w+ is no longer trusted/);
    expect(await other.focused()).toBe('devices-title');
    await expect.poll(() => listed(other)).toHaveLength(1);
    await isTrusted(other);
    await isAsked(user);

    // The page of the other browser still shows a browser that is revoked meanwhile.
    await user.button('Back to sign in').click();
    await trust(user);
    await user.button('Revoke Firefox on Windows').click();
    await user.says('Firefox on Windows is no longer trusted');
    await other.button('Revoke Firefox on Windows, this one').click();
    await other.says('Firefox on Windows is no longer trusted');
    await expect.poll(() => listed(other)).toEqual([expect.stringMatching(/^Chrome/)]);
    await isAsked(other);
  });

  it('S113 asks for a step-up before a transfer when the proof is older than five minutes', async () => {
    const user = await enrolled();
    await user.signOut();
    await trust(user);
    advance(301);
    await isTrusted(user);
    await user.transfer('Grace Hopper', '5');
    await user.heading('Confirm that it is you');
    await user.answerDialog('Confirm', user.nextCode());
    await user.says('Sent €5.00 to Grace Hopper');
  });

  it('S112 three tabs of one browser log in at once: all are in, there is no alarm, and the browser stays trusted', async () => {
    const user = await enrolled();
    await user.signOut();
    await trust(user);
    await user.signOut();
    const tabs = [user, await user.newTab(), await user.newTab()];
    for (const tab of tabs) await tab.heading('Sign in');
    // Each tab sends its request when all three have one, so that all have the same cookie.
    const waiting: (() => void)[] = [];
    await user.context.route('**/auth/login', async (route) => {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        if (waiting.length === tabs.length) for (const send of waiting) send();
      });
      await route.continue();
    });
    const events = watchEvents();
    await Promise.all(tabs.map((tab) => tab.firstStep()));
    for (const tab of tabs) await vaultIsOpen(tab);
    expect(waiting).toHaveLength(3);
    expect(await events.stop()).toEqual(['mfa.device.used', 'mfa.device.used', 'mfa.device.used']);
    await user.context.unroute('**/auth/login');
    await user.page.reload();
    await isTrusted(user);
    await expect.poll(() => listed(user)).toHaveLength(1);
  });

  it('S111 ends when two-step verification is turned off', async () => {
    const user = await enrolled();
    await user.signOut();
    await trust(user);
    await user.button('Turn off two-step verification').click();
    await user.answerDialog('Turn off', user.nextCode());
    await user.says('Two-step verification is off');
    await user.enroll();
    await user.page.getByText('None. You can trust a browser').waitFor();
    await isAsked(user);
  });

  it('S113 offers the box for the app and for a passkey, and not for backup and recovery codes', async () => {
    const user = await enrolled();
    const sent: unknown[] = [];
    user.page.on('request', (request) => {
      if (request.url().endsWith('/mfa/verify'))
        sent.push((request.postDataJSON() as Record<string, unknown>).rememberDevice);
    });
    await user.signOut();
    await user.firstStep();
    await user.heading('Enter your code');
    await box(user).check();
    await user.button('I have a recovery code').click();
    expect(await box(user).isVisible()).toBe(false);
    await user.button('Use a backup code instead').click();
    expect(await box(user).isVisible()).toBe(false);
    await user.field('Backup code').fill(user.backupCodes[0]!);
    await user.button('Continue').click();
    await user.heading('Your account');
    expect(sent).toEqual([false]);
    await isAsked(user);
    expect(await box(user).isChecked()).toBe(false);
  });

  it('S113 trusts a browser after a passkey', async () => {
    const user = await visitor();
    const owner = new PasskeyPage(user);
    await VirtualKey.plugIn(user.page, {});
    await owner.enroll();
    await owner.startLogin();
    expect(await user.focused()).toBe('second-step-title');
    await box(user).check();
    await owner.login();
    await isTrusted(user);
  });

  it.each([
    ['light', { viewport: { width: 320, height: 640 } }],
    ['dark', { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }],
  ] as const)(
    'the box and the list fit into a window that is %s, and every field has a label',
    async (tone, options) => {
      const user = await visitor(options);
      await user.register();
      await user.enroll();
      await user.signOut();
      await user.firstStep();
      await user.heading('Enter your code');
      await user.screenshot(`devices-box-${tone}`);
      expect(await user.overflow()).toBe(0);
      expect(await user.page.evaluate(UNLABELLED)).toEqual([]);
      await user.button('Back to sign in').click();
      await trust(user);
      const other = await elsewhere(user, { userAgent: `a-script-${'x'.repeat(200)}` });
      await trust(other);
      await user.page.reload();
      await vaultIsOpen(user);
      await user.screenshot(`devices-list-${tone}`);
      expect(await user.overflow()).toBe(0);
      await expect.poll(() => listed(user)).toHaveLength(2);
    },
  );
});
