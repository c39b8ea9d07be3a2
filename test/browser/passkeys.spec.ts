import { describe, expect, it } from 'vitest';
import { noBrowser, useDemo } from './demo-page.js';
import { PasskeyPage } from './passkey-page.js';
import { VirtualKey } from './virtual-key.js';

/** A browser whose PublicKeyCredential has none of the JSON methods of WebAuthn Level 3. */
const WITHOUT_JSON = `
  delete PublicKeyCredential.parseCreationOptionsFromJSON;
  delete PublicKeyCredential.parseRequestOptionsFromJSON;
  delete PublicKeyCredential.prototype.toJSON;`;

const KEEP_SIGNALS = `
  globalThis.signals = [];
  PublicKeyCredential.signalAllAcceptedCredentials = async (signal) => void globalThis.signals.push(signal);`;

interface Signal {
  rpId: string;
  userId: string;
  allAcceptedCredentialIds: string[];
}

/** CDP writes base64, the page base64url. */
const base64url = (text: string) => Buffer.from(text, 'base64').toString('base64url');

describe.skipIf(noBrowser)('passkeys in a browser', () => {
  const { visitor, enrolled } = useDemo('express');

  it.each([
    ['a platform passkey', {}, ['pwd', 'hwk', 'user', 'mfa']],
    ['a synchronised platform passkey', { synced: true }, ['pwd', 'swk', 'user', 'mfa']],
    ['a USB key without user verification', { transport: 'usb', verifiesUser: false }, ['pwd', 'hwk', 'user', 'mfa']],
  ] as const)('S86 %s is enrolled as the first factor, signs in, steps up and is removed', async (_, settings, amr) => {
    const user = new PasskeyPage(await visitor());
    await VirtualKey.plugIn(user.page, settings);
    await user.enroll();
    await expect.poll(() => user.listed()).toEqual(['Laptop: Passkey']);
    expect(user.user.backupCodes).toHaveLength(10);

    await user.startLogin();
    expect(await user.user.focused()).toBe('second-step-title');
    await user.login();
    expect(await user.amr()).toEqual(amr);

    await user.user.transfer('Grace Hopper', '25,50');
    await user.user.says('Sent €25.50');
    await user.user.wait(301);
    await user.user.transfer('Alan Turing', '7');
    await user.user.heading('Confirm that it is you');
    await user.user.button('Confirm').click();
    await user.user.says('Sent €7.00');
    expect(await user.amr()).toEqual(amr);

    await user.user.button('Rename Laptop').click();
    await user.user.field('New name').fill('Blue key');
    await user.user.button('Save').click();
    await user.user.says('new name');
    await expect.poll(() => user.listed()).toEqual(['Blue key: Passkey']);

    await user.user.button('Remove Blue key').click();
    await user.user.button('Remove').click();
    await user.user.says('Two-step verification is off');
    await user.user.signOut();
    await user.user.firstStep();
    await user.user.heading('Your account');
  });

  it('S86 a passkey beside TOTP is added with a code, and the page lets its user choose between them', async () => {
    const user = new PasskeyPage(await enrolled());
    await VirtualKey.plugIn(user.page);
    await user.add('Laptop', () => user.user.field('Code from your authenticator app').fill(user.user.nextCode()));
    await user.user.says('The passkey was added');
    await expect.poll(() => user.listed()).toEqual(['Phone: Authenticator app', 'Laptop: Passkey']);
    await user.startLogin();
    await user.user.button('Use the authenticator app instead').click();
    await user.user.heading('Enter your code');
    await user.user.button('Use a passkey instead').click();
    await user.login();
    expect(await user.amr()).toContain('hwk');
    await user.startLogin();
    await user.user.button('Use the authenticator app instead').click();
    await user.user.field('Code from your authenticator app').fill(user.user.nextCode());
    await user.login();
    expect(await user.amr()).toContain('otp');
    // A code of the app does not change the factors of a user with a passkey.
    await user.user.button('Remove Phone').click();
    expect(await user.user.button('Use the authenticator app instead').isVisible()).toBe(false);
    await user.user.answerDialog('Remove', user.user.backupCodes[0]!, 'backup');
    await user.user.says('was removed');
    await expect.poll(() => user.listed()).toEqual(['Laptop: Passkey']);
  });

  it('S86 a browser without the JSON methods of WebAuthn enrolls a passkey and signs in with it', async () => {
    const user = new PasskeyPage(await visitor());
    await user.page.addInitScript(WITHOUT_JSON);
    await user.page.reload();
    await VirtualKey.plugIn(user.page);
    await user.enroll();
    await user.startLogin();
    await user.login();
    expect(await user.page.evaluate('typeof PublicKeyCredential.prototype.toJSON')).toBe('undefined');
  });

  it('S86 a browser without WebAuthn says so, and signs in with a backup code', async () => {
    const user = new PasskeyPage(await visitor());
    await VirtualKey.plugIn(user.page);
    await user.enroll();
    await user.page.addInitScript('delete globalThis.PublicKeyCredential');
    await user.page.reload();
    await user.page.getByText('This browser cannot use passkeys.').filter({ visible: true }).waitFor();
    expect(await user.user.button('Add a passkey').isVisible()).toBe(false);
    await user.user.signOut();
    await user.user.firstStep();
    await user.user.heading('Enter your code');
    await user.page.getByText('This browser cannot use passkeys.').filter({ visible: true }).waitFor();
    await user.user.field('Backup code').fill(user.user.backupCodes[0]!);
    await user.login();
  });

  it('S86 a device that has a passkey of the account is not registered twice', async () => {
    const user = new PasskeyPage(await visitor());
    const key = await VirtualKey.plugIn(user.page);
    await user.enroll();
    await user.add('Again');
    await user.user.complains('This device already has a passkey for your account');
    expect(await user.page.locator('#setup-proof-form .problem').getAttribute('data-tone')).toBe('calm');
    expect(await key.credentials()).toHaveLength(1);
    await user.user.button('Cancel').click();
    await expect.poll(() => user.listed()).toEqual(['Laptop: Passkey']);
  });

  it('S86 the browser learns after a sign-in and after a removal which passkeys are accepted', async () => {
    const user = new PasskeyPage(await visitor());
    await user.page.addInitScript(KEEP_SIGNALS);
    await user.page.reload();
    const signals = () => user.page.evaluate<Signal[]>('globalThis.signals');
    const key = await VirtualKey.plugIn(user.page);
    await user.enroll();
    const { credentialId, userHandle } = await key.credential();
    await user.startLogin();
    await user.login();
    await expect.poll(signals).toEqual([
      {
        rpId: 'localhost',
        userId: base64url(userHandle!),
        allAcceptedCredentialIds: [base64url(credentialId)],
      },
    ]);
    await user.user.button('Remove Laptop').click();
    await user.user.button('Use a backup code instead').click();
    await user.user.answerDialog('Remove', user.user.backupCodes[0]!);
    await user.user.says('Two-step verification is off');
    await expect.poll(async () => (await signals())[1]?.allAcceptedCredentialIds).toEqual([]);
  });

  it.each([
    ['light', { viewport: { width: 320, height: 640 } }],
    ['dark', { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }],
  ] as const)('passkeys fit into a narrow window that is %s, and every field has a label', async (tone, options) => {
    const user = new PasskeyPage(await visitor(options));
    const key = await VirtualKey.plugIn(user.page);
    const fits = async (name: string) => {
      await user.user.screenshot(`${name}-${tone}`);
      expect(await user.user.overflow()).toBe(0);
      expect(await user.page.evaluate(UNLABELLED)).toEqual([]);
    };
    await user.user.register();
    await fits('off');
    await user.openSetup('Set up a passkey', 'L'.repeat(40));
    await fits('setup');
    await user.user.button('Cancel').click();
    await user.enrollSignedIn('L'.repeat(40));
    await fits('on');
    await user.user.button(`Remove ${'L'.repeat(40)}`).click();
    await user.user.heading(`Remove ${'L'.repeat(40)}?`);
    expect(await user.user.focused()).toBe('proof-dialog-confirm');
    await fits('dialog');
    await user.page.keyboard.press('Escape');
    await user.startLogin();
    await key.verifyUser(false);
    await user.user.button('Continue').click();
    await user.user.complains('No passkey was used');
    await fits('second-step');
  });
});

const UNLABELLED = `[...document.querySelectorAll('input')].filter((input) => input.labels.length !== 1).map(({ id }) => id)`;
