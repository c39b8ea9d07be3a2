import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { noBrowser, useDemo } from './demo-page.js';
import { hotp, independentTotp } from './independent-totp.js';

/** 'GEZD…' is the secret of RFC 4226 appendix D. */
it('the independent TOTP implementation computes the codes of RFC 4226 and RFC 6238', () => {
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
  expect([0, 1, 9].map((counter) => hotp(secret, counter))).toEqual(['755224', '287082', '520489']);
  expect(independentTotp(secret, 59_000)).toBe('287082');
});

describe.skipIf(noBrowser).each(['express', 'fastify'] as const)('the flow in a browser, on %s', (adapter) => {
  const { visitor, enrolled, advance } = useDemo(adapter);

  it('enrolls by QR code or key, keeps the backup codes, and signs in with a code pasted with its space', async () => {
    const user = await visitor();
    const { page } = user;
    await user.register();
    await page.getByText('Set up two-step verification to see').waitFor();
    await user.startEnrollment('Pixel');
    await page.getByRole('img', { name: 'QR code' }).waitFor();
    expect(await page.evaluate(`document.getElementById('qr').naturalWidth`)).toBeGreaterThan(0);
    expect(
      await page.getByRole('link', { name: 'open it on this device', exact: true }).getAttribute('href'),
    ).toContain(user.secret);
    await user.field('Code from your authenticator app').fill(user.nextCode());
    await user.button('Confirm').click();

    await user.heading('Keep your backup codes');
    await user.button('Copy').click();
    await user.says('Copied');
    const copied = await user.readClipboard();
    const download = page.waitForEvent('download');
    await user.button('Download').click();
    const saved = await readFile(await (await download).path(), 'utf8');
    await user.button('Done').click();
    await user.complains('Keep the codes first');
    await user.keepBackupCodes();
    expect(user.backupCodes).toHaveLength(10);
    expect(copied).toBe(user.backupCodes.join('\n'));
    expect(saved).toContain(copied);

    await user.signOut();
    await user.firstStep();
    await user.heading('Enter your code');
    const code = user.nextCode();
    await user.paste(`${code.slice(0, 3)} ${code.slice(3)}`);
    await page.keyboard.press('Enter');
    await user.heading('Your account');
    await page.getByRole('heading', { name: 'Vault' }).waitFor();
    await user.button('Send').waitFor();
    await expect.poll(() => page.getByRole('listitem').filter({ hasText: 'Pixel' }).innerText()).toContain('Last used');
  });

  it('signs in with a backup code once, says how many are left, and warns of few', async () => {
    const user = await enrolled();
    const [code = ''] = user.backupCodes;
    const withBackupCode = async () => {
      await user.signOut();
      await user.firstStep();
      await user.button('Use a backup code instead').click();
      await user.field('Backup code').fill(code.toLowerCase());
      await user.button('Continue').click();
    };
    await withBackupCode();
    await user.says('9 backup codes are left');
    await user.page.getByText('9 codes are left.').waitFor();
    expect(await user.page.getByText('Few codes are left').isVisible()).toBe(false);

    await user.page.route('**/mfa/status', async (route) => {
      const status = await (await route.fetch()).json();
      await route.fulfill({ json: { ...status, backupCodes: { remaining: 2, low: true } } });
    });
    await user.page.reload();
    await user.page.getByText('Few codes are left').waitFor();

    await withBackupCode();
    await user.complains('not accepted');
  });

  it('asks for a step-up before a transfer, and repeats the transfer after it', async () => {
    const user = await enrolled();
    await user.transfer('Grace Hopper', '25,50');
    await user.says('Sent €25.50 to Grace Hopper');
    advance(301);
    await user.transfer('Alan Turing', '7');
    await user.heading('Confirm that it is you');
    await user.button('Cancel').click();
    expect(await user.field('Send to').inputValue()).toBe('Alan Turing');
    await user.button('Send').click();
    await user.answerDialog('Confirm', '000000');
    await user.complains('not accepted');
    await user.answerDialog('Confirm', user.nextCode());
    await user.says('Sent €7.00 to Alan Turing');
    await expect
      .poll(() => user.page.locator('#transfers li').allInnerTexts())
      .toEqual([expect.stringMatching(/^Alan Turing[^]*€7\.00$/), expect.stringMatching(/^Grace Hopper[^]*€25\.50$/)]);
  });

  it('turns two-step verification off with a backup code', async () => {
    const user = await enrolled();
    await user.button('Turn off two-step verification').click();
    await user.answerDialog('Turn off', user.backupCodes[0]!, 'backup');
    await user.says('Two-step verification is off');
    await user.button('Set up two-step verification').waitFor();
    await user.page.getByText('Set up two-step verification to see').waitFor();
    await user.signOut();
    await user.firstStep();
    await user.heading('Your account');
  });

  it('renders the API description under its content policy', async () => {
    const user = await visitor();
    await user.page.getByRole('link', { name: 'API description' }).click();
    await user.page.getByText('/mfa/verify').waitFor();
    await user.page.getByText('/vault/transfer').waitFor();
  });
});
