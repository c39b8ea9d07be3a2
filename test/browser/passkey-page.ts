import type { Page } from 'playwright-core';
import { PASSWORD, type DemoPage } from './demo-page.js';

/** What a person with a passkey does at the demo's page. */
export class PasskeyPage {
  constructor(readonly user: DemoPage) {}

  get page(): Page {
    return this.user.page;
  }

  /** A new account, whose first factor becomes a passkey. */
  async enroll(name = 'Laptop'): Promise<void> {
    await this.user.register();
    await this.enrollSignedIn(name);
  }

  async enrollSignedIn(name: string): Promise<void> {
    await this.openSetup('Set up a passkey', name);
    await this.page.locator('#setup-password').fill(PASSWORD);
    await this.user.button('Continue').click();
    await this.user.keepBackupCodes();
  }

  /** Adds a passkey to an account that has a factor. `prove` fills in the proof, if it is not a passkey. */
  async add(name: string, prove?: () => Promise<void>): Promise<void> {
    await this.openSetup('Add a passkey', name);
    await prove?.();
    await this.user.button('Continue').click();
  }

  async openSetup(button: 'Set up a passkey' | 'Add a passkey', name: string): Promise<void> {
    await this.user.button(button).click();
    await this.user.heading('Set up a passkey');
    await this.page.locator('#setup-name').fill(name);
  }

  /** The first step. Afterwards the page offers the passkey. */
  async startLogin(): Promise<void> {
    await this.user.signOut();
    await this.user.firstStep();
    await this.user.heading('Use your passkey');
  }

  /** The second step, and the result that is expected of it. */
  async login(): Promise<void> {
    await this.user.button('Continue').click();
    await this.user.heading('Your account');
  }

  async loginIsRefused(): Promise<void> {
    const answered = this.page.waitForResponse('**/mfa/verify');
    await this.user.button('Continue').click();
    const answer = await answered;
    if (answer.status() !== 401) throw new Error(`the login was answered with ${answer.status()}`);
    await this.user.complains('The passkey was not accepted');
    await this.user.heading('Use your passkey');
  }

  /** How this session was authenticated, as `/auth/me` says. */
  async amr(): Promise<string[]> {
    const me = await this.page.request.get(`${this.user.url}/auth/me`);
    return ((await me.json()) as { amr: string[] }).amr;
  }

  /** The listed authenticators: name and type. */
  async listed(): Promise<string[]> {
    const rows = await this.page.locator('#authenticators li .row-text').allInnerTexts();
    return rows.map((row) =>
      row
        .split('\n')
        .slice(0, 2)
        .join(': ')
        .replace(/ · .*$/, ''),
    );
  }
}
