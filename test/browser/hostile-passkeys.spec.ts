import { describe, expect, it } from 'vitest';
import { PASSWORD, noBrowser, useDemo } from './demo-page.js';
import { PasskeyPage } from './passkey-page.js';
import { startPhishingProxy } from './phishing-proxy.js';
import { VirtualKey } from './virtual-key.js';

describe.skipIf(noBrowser)('hostile passkeys and cancelled ones in a browser', () => {
  const { visitor } = useDemo('express');

  async function withPasskey(settings: Parameters<typeof VirtualKey.plugIn>[1] = {}) {
    const user = new PasskeyPage(await visitor());
    const key = await VirtualKey.plugIn(user.page, settings);
    await user.enroll();
    return { user, key };
  }

  it('S86 a bogus signature is refused at the second step, and the right one signs in afterwards', async () => {
    const { user, key } = await withPasskey();
    await user.startLogin();
    await key.signBogus(true);
    await user.loginIsRefused();
    await key.signBogus(false);
    await user.login();
  });

  it('S86 a response without user presence is refused', async () => {
    const { user, key } = await withPasskey();
    await user.startLogin();
    await key.reportAbsence(true);
    await user.loginIsRefused();
    await key.reportAbsence(false);
    await user.login();
  });

  it('S86 a bogus signature changes no factors and steps nobody up', async () => {
    const { user, key } = await withPasskey();
    await key.signBogus(true);
    await user.user.button('Turn off two-step verification').click();
    await user.user.button('Turn off').click();
    await user.user.complains('The passkey was not accepted');
    await user.page.keyboard.press('Escape');
    await user.user.wait(301);
    await user.user.transfer('Grace Hopper', '1');
    await user.user.button('Confirm').click();
    await user.user.complains('The passkey was not accepted');
    await user.page.keyboard.press('Escape');
    await user.page.reload();
    await expect.poll(() => user.listed()).toEqual(['Laptop: Passkey']);
    expect(await user.page.locator('#transfers li').count()).toBe(0);
  });

  it('S86 a page of another port is refused, although it passes everything on', async () => {
    const { user } = await withPasskey();
    await user.user.signOut();
    const proxy = await startPhishingProxy(user.user.url);
    try {
      user.user.allowed.push(`http://localhost:${proxy.port}`);
      await user.page.goto(`http://localhost:${proxy.port}`);
      await user.user.firstStep();
      await user.user.heading('Use your passkey');
      await user.loginIsRefused();
    } finally {
      await proxy.stop();
    }
    await user.page.goto(user.user.url);
    await user.user.firstStep();
    await user.login();
  });

  it('S86 a page on an IP address gets nothing from the browser, and says where passkeys work', async () => {
    const user = new PasskeyPage(await visitor());
    await VirtualKey.plugIn(user.page);
    const other = user.user.url.replace('localhost', '127.0.0.1');
    user.user.allowed.push(other);
    await user.page.goto(other);
    await user.user.register();
    await user.openSetup('Set up a passkey', 'Laptop');
    await user.page.locator('#setup-password').fill(PASSWORD);
    await user.user.button('Continue').click();
    await user.user.complains('Passkeys of this site work at localhost only');
  });

  it('S86 a removed passkey is refused, also when a page asks for it', async () => {
    const { user, key } = await withPasskey();
    const removed = await key.credential();
    const usb = await VirtualKey.plugIn(user.page, { transport: 'usb', verifiesUser: false });
    await key.touch(false);
    await user.add('USB key', async () => {
      await user.user.button('Use a backup code instead').click();
      await user.user.field('Backup code').fill(user.user.backupCodes[0]!);
    });
    await user.user.says('The passkey was added');
    expect(await usb.credentials()).toHaveLength(1);
    await user.user.button('Remove Laptop').click();
    await user.user.button('Remove').click();
    await user.user.says('was removed');
    await usb.unplug();
    await key.touch(true);
    await key.hold(removed);

    await user.startLogin();
    await user.page.route('**/mfa/passkeys/options', async (route) => {
      const answer = (await (await route.fetch()).json()) as { options: object };
      const id = Buffer.from(removed.credentialId, 'base64').toString('base64url');
      await route.fulfill({
        json: { ...answer, options: { ...answer.options, allowCredentials: [{ type: 'public-key', id }] } },
      });
    });
    await user.loginIsRefused();
  });

  it('S86 changed backup flags: the eligibility is refused, the state is accepted', async () => {
    const { user, key } = await withPasskey({ synced: true });
    await key.claimBackup({ backupEligibility: true, backupState: false });
    await user.startLogin();
    await user.login();
    await key.claimBackup({ backupEligibility: false, backupState: false });
    await user.startLogin();
    await user.loginIsRefused();
    await key.claimBackup({ backupEligibility: true, backupState: true });
    await user.login();
    expect(await user.amr()).toContain('swk');
  });

  it('S86 a sign count that does not rise betrays a clone, and the original signs in', async () => {
    const { user, key } = await withPasskey();
    const cloned = await key.credential();
    for (let i = 0; i < 2; i++) {
      await user.startLogin();
      await user.login();
    }
    const original = await key.credential();
    expect(original.signCount).toBeGreaterThan(cloned.signCount);
    await key.hold(cloned);
    await user.startLogin();
    await user.loginIsRefused();
    await key.hold(original);
    await user.login();
  });

  it('S86 two tabs of one passkey both sign in, and a registration in one ends that of the other', async () => {
    const { user, key } = await withPasskey();
    const tab = new PasskeyPage(await user.user.newTab());
    await tab.user.heading('Your account');
    await tab.openSetup('Add a passkey', 'Phone');
    const other = await VirtualKey.plugIn(tab.page);
    await other.hold(await key.credential());
    await tab.user.button('Continue').click();
    await tab.user.complains('already has a passkey');

    await user.page.bringToFront();
    await VirtualKey.plugIn(user.page, { transport: 'usb', verifiesUser: false });
    await key.touch(false);
    await user.add('USB key', async () => {
      await user.user.button('Use a backup code instead').click();
      await user.user.field('Backup code').fill(user.user.backupCodes[0]!);
    });
    await user.user.says('The passkey was added');

    await tab.page.bringToFront();
    const usb = await VirtualKey.plugIn(tab.page, { transport: 'usb', verifiesUser: false });
    await other.touch(false);
    await tab.user.button('Try again').click();
    await tab.user.complains('The passkey was not accepted');
    expect(await usb.credentials()).toHaveLength(1);
    await tab.user.button('Use a backup code instead').waitFor();
    await tab.user.button('Cancel').click();
    await tab.page.reload();
    await tab.page.getByText('USB key').waitFor();
    await expect.poll(() => tab.listed()).toEqual(['Laptop: Passkey', 'USB key: Passkey']);

    await usb.unplug();
    await other.touch(true);
    await key.touch(true);
    await user.startLogin();
    await tab.page.reload();
    await tab.user.firstStep();
    await tab.user.heading('Use your passkey');
    await user.page.bringToFront();
    await user.login();
    await tab.page.bringToFront();
    await other.hold(await key.credential());
    await tab.login();
  });

  it('S86 a cancel leaves the page usable: at registration, at the second step and in the dialog', async () => {
    const user = new PasskeyPage(await visitor());
    const key = await VirtualKey.plugIn(user.page);
    const isCalm = async (form: string) => {
      await user.user.complains('No passkey was used. You can try again.');
      expect(await user.page.locator(`#${form} .problem`).getAttribute('data-tone')).toBe('calm');
    };
    await user.user.register();
    await user.openSetup('Set up a passkey', 'Laptop');
    await user.page.locator('#setup-password').fill(PASSWORD);
    await key.verifyUser(false);
    await user.user.button('Continue').click();
    await isCalm('setup-proof-form');
    await key.verifyUser(true);
    // No second password: the server has accepted the first one for this registration.
    expect(await user.page.locator('#setup-password').isVisible()).toBe(false);
    await user.user.button('Try again').click();
    await user.user.keepBackupCodes();

    await user.startLogin();
    await key.verifyUser(false);
    await user.user.button('Continue').click();
    await isCalm('second-step-form');
    await key.verifyUser(true);
    await user.login();

    await key.verifyUser(false);
    await user.user.button('Remove Laptop').click();
    await user.user.button('Remove').click();
    await isCalm('proof-dialog-form');
    await key.verifyUser(true);
    await user.user.button('Remove').click();
    await user.user.says('Two-step verification is off');
  });

  it('S86 a dialog that is closed while the browser waits for the passkey changes nothing', async () => {
    const { user, key } = await withPasskey();
    const sent: string[] = [];
    user.page.on('request', (request) => sent.push(new URL(request.url()).pathname));
    await key.touch(false);
    await user.user.button('Turn off two-step verification').click();
    const asked = user.page.waitForResponse('**/mfa/passkeys/options');
    await user.user.button('Turn off').click();
    await asked;
    await user.page.keyboard.press('Escape');
    await user.page.getByRole('dialog').waitFor({ state: 'hidden' });
    await key.touch(true);
    await user.user.button('Make new backup codes').click();
    await user.user.button('Make new codes').click();
    await user.user.keepBackupCodes();
    expect(sent).not.toContain('/mfa/disable');
  });
});
