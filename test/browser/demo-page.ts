import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MfaAdminService } from 'nestjs-mfa';
import { FixedClock } from 'nestjs-mfa/testing';
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Locator,
  type Page,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { loadConfig } from '../../apps/demo/src/config.js';
import { createDemoApp } from '../../apps/demo/src/create-app.js';
import { makeAdmin } from '../../apps/demo/src/make-admin.js';
import { choosePort } from '../../apps/demo/src/origin.js';
import { independentTotp } from './independent-totp.js';

export const PASSWORD = 'correct horse battery';

const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];

function launchBrowser(): Promise<Browser> {
  const executablePath = process.env.MFA_TEST_BROWSER;
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', ...QUIET],
    // Only a scrollbar that takes space shows whether the page jumps when it comes or goes.
    ignoreDefaultArgs: ['--hide-scrollbars'],
  });
}

/** The demo in this process on a free port, with a data folder and a clock of its own. */
async function startDemo(httpAdapter: 'express' | 'fastify') {
  const folder = await mkdtemp(join(tmpdir(), 'demo-browser-'));
  const clock = new FixedClock(Date.now());
  const config = await choosePort(loadConfig({ PORT: '0', DATA_DIR: folder, HTTP_ADAPTER: httpAdapter }));
  const app = await createDemoApp(config, { clock, logger: false });
  await app.listen(config.port, '127.0.0.1');
  const stop = async () => {
    await app.close();
    await rm(folder, { recursive: true, force: true });
  };
  return {
    url: `http://localhost:${config.port}`,
    clock,
    config,
    admin: app.get(MfaAdminService, { strict: false }),
    stop,
  };
}

type Demo = Awaited<ReturnType<typeof startDemo>>;

/** The global setup looked for a browser; without one, and only then, its tests are skipped. */
export const noBrowser = !process.env.MFA_TEST_BROWSER;

/** A browser and a demo for the tests of the enclosing `describe`, each of which ends without incidents. */
export function useDemo(httpAdapter: 'express' | 'fastify') {
  let browser: Browser;
  let demo: Demo;
  const opened: DemoPage[] = [];

  beforeAll(async () => {
    [browser, demo] = await Promise.all([launchBrowser(), startDemo(httpAdapter)]);
  });

  afterEach(async () => {
    const users = opened.splice(0);
    for (const user of users) await user.close();
    expect(users.flatMap(({ incidents }) => incidents)).toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
    await demo?.stop();
  });

  const visitor = async (options?: BrowserContextOptions): Promise<DemoPage> => {
    const user = await DemoPage.open(browser, demo, options);
    opened.push(user);
    return user;
  };

  return {
    /** Somebody who sees the page for the first time. */
    visitor,
    /** Somebody who has an authenticator and is signed in. */
    async enrolled(): Promise<DemoPage> {
      const user = await visitor();
      await user.register();
      await user.enroll();
      return user;
    },
    /** The same person at another browser. */
    async elsewhere(user: DemoPage, options?: BrowserContextOptions): Promise<DemoPage> {
      const other = await DemoPage.open(browser, demo, options, user);
      opened.push(other);
      return other;
    },
    advance: (seconds: number) => demo.clock.advance(seconds),
    nowMs: () => demo.clock.nowMs(),
    /** What a support desk of the demo would call. */
    admin: () => demo.admin,
    /** What `npm run make-admin` does. */
    makeAdmin: ({ email }: DemoPage) => makeAdmin(demo.config, email),
  };
}

let users = 0;

/** A person at the demo's page, with an authenticator app beside it. */
export class DemoPage {
  readonly email: string;
  /** What went wrong unasked: script errors, refusals of the content policy, requests to elsewhere. */
  readonly incidents: string[];
  /** Addresses besides the demo's own that the page may load. */
  readonly allowed: string[] = [];
  secret: string;
  backupCodes: string[] = [];

  private constructor(
    readonly page: Page,
    readonly context: BrowserContext,
    private readonly demo: Demo,
    first?: DemoPage,
  ) {
    this.email = first?.email ?? `ada${++users}@example.com`;
    this.secret = first?.secret ?? '';
    this.incidents = first?.incidents ?? [];
    page.on('pageerror', (error) => this.incidents.push(String(error)));
    page.on('console', (message) => {
      // A refused request is logged by the browser itself; refusals are part of the flow.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) this.incidents.push(message.text());
    });
    page.on('request', (request) => {
      const url = request.url();
      if (![demo.url, ...this.allowed].some((own) => url.startsWith(own)) && !/^(data|blob):/.test(url))
        this.incidents.push(`requested ${url}`);
    });
  }

  static async open(
    browser: Browser,
    demo: Demo,
    options: BrowserContextOptions = {},
    first?: DemoPage,
  ): Promise<DemoPage> {
    const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'], ...options });
    context.setDefaultTimeout(15_000);
    const opened = new DemoPage(await context.newPage(), context, demo, first);
    await opened.page.goto(demo.url);
    await opened.heading('Sign in');
    return opened;
  }

  /** A code of the app now. Each call lets time pass first, for a code works once. */
  nextCode(): string {
    this.demo.clock.advance(30);
    return independentTotp(this.secret, this.demo.clock.nowMs());
  }

  get url(): string {
    return this.demo.url;
  }

  /** Lets time pass for the server. */
  async wait(seconds: number): Promise<void> {
    this.demo.clock.advance(seconds);
  }

  /** A picture in the folder that MFA_TEST_SCREENSHOTS names, for eyes. */
  async screenshot(name: string): Promise<void> {
    const folder = process.env.MFA_TEST_SCREENSHOTS;
    if (folder) await this.page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  }

  heading(name: string): Promise<void> {
    return this.page.getByRole('heading', { name, exact: true }).waitFor();
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  field(label: string): Locator {
    return this.page.getByRole('textbox', { name: label, exact: true });
  }

  async says(text: string | RegExp): Promise<void> {
    await this.page.getByRole('status').filter({ hasText: text }).waitFor();
  }

  async complains(text: string | RegExp): Promise<void> {
    await this.page.getByRole('alert').filter({ hasText: text, visible: true }).waitFor();
  }

  async register(role: 'Member' | 'Manager' | 'Staff' = 'Member'): Promise<void> {
    await this.button('Create one').click();
    await this.field('E-mail address').fill(this.email);
    await this.page.locator('#register-password').fill(PASSWORD);
    await this.page.getByRole('radio', { name: role }).check();
    await this.button('Create account').click();
    await this.heading(role === 'Staff' ? 'Set up a second factor' : 'Your account');
  }

  /** From the page of an account without authenticators to the moment in which the key can be read. */
  async startEnrollment(name: string): Promise<void> {
    await this.button('Set up two-step verification').click();
    await this.page.locator('#setup-name').fill(name);
    await this.page.locator('#setup-password').fill(PASSWORD);
    await this.button('Continue').click();
    await this.readKey();
  }

  async readKey(): Promise<void> {
    await this.heading('Scan the QR code');
    this.secret = (await this.page.locator('#manual-key').innerText()).replaceAll(' ', '');
  }

  async enroll(name = 'Phone'): Promise<void> {
    await this.startEnrollment(name);
    await this.field('Code from your authenticator app').fill(this.nextCode());
    await this.button('Confirm').click();
    await this.keepBackupCodes();
  }

  async keepBackupCodes(): Promise<void> {
    await this.heading('Keep your backup codes');
    this.backupCodes = await this.page.locator('#codes code').allInnerTexts();
    await this.page.getByRole('checkbox').check();
    await this.button('Done').click();
    await this.heading('Your account');
  }

  async signOut(): Promise<void> {
    await this.button('Sign out').click();
    await this.heading('Sign in');
  }

  /** A second tab of the same browser. */
  async newTab(): Promise<DemoPage> {
    const tab = new DemoPage(await this.context.newPage(), this.context, this.demo, this);
    await tab.page.goto(this.demo.url);
    return tab;
  }

  async firstStep(): Promise<void> {
    await this.field('E-mail address').fill(this.email);
    await this.page.locator('#sign-in-password').fill(PASSWORD);
    await this.button('Sign in').click();
  }

  /** Both steps, the second one with a code of the app. */
  async signIn(): Promise<void> {
    await this.firstStep();
    await this.heading('Enter your code');
    await this.field('Code from your authenticator app').fill(this.nextCode());
    await this.button('Continue').click();
    await this.heading('Your account');
  }

  /** Answers the open dialog; `kind` tells where the code comes from. */
  async answerDialog(button: string, code: string, kind: 'app' | 'backup' = 'app'): Promise<void> {
    const dialog = this.page.getByRole('dialog');
    if (kind === 'backup') await dialog.getByRole('button', { name: 'Use a backup code instead' }).click();
    await dialog.getByRole('textbox').fill(code);
    await dialog.getByRole('button', { name: button, exact: true }).click();
  }

  async transfer(to: string, amount: string): Promise<void> {
    await this.field('Send to').fill(to);
    await this.field('Amount in €').fill(amount);
    await this.button('Send').click();
  }

  /** How far the page is wider than its window; 0 = nothing to scroll sideways. */
  overflow(): Promise<number> {
    return this.page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  }

  /** The id of the element that has the focus. */
  focused(): Promise<string> {
    return this.page.evaluate<string>('document.activeElement.id');
  }

  readClipboard(): Promise<string> {
    return this.page.evaluate<string>('navigator.clipboard.readText()');
  }

  async paste(text: string): Promise<void> {
    await this.page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
    await this.page.keyboard.press('Control+V');
  }

  close(): Promise<void> {
    return this.context.close();
  }
}
