import { Logger } from '@nestjs/common';
import { afterEach, expect, it, vi } from 'vitest';
import { MfaPasskeyService } from 'nestjs-mfa';
import { FEW_CODES, PASSWORD, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PASSKEYS } from '../support/passkey-client.js';

let host: HostApp;
afterEach(async () => {
  vi.restoreAllMocks();
  await host.close();
});

it('S84 warns where a principal names no session, because any session can then confirm its registration', async () => {
  const warn = vi.spyOn(Logger.prototype, 'warn');
  host = await startHostApp({ options: { ...FEW_CODES, ...PASSKEYS } });
  const passkeys = host.app.get(MfaPasskeyService);
  // A session id that is a number is dropped, too.
  const first = { userId: 'n1', accountName: 'n1', sessionId: 1 as never };
  const second = { userId: 'n1', accountName: 'n1', sessionId: 2 as never };
  const { options } = await passkeys.setup(first, { password: PASSWORD });
  const confirmed = await passkeys.confirm(second, { passkey: newKey().create(options) as never }).catch(() => null);
  const isWarned = warn.mock.calls.some(([message]) => String(message).includes('session'));
  expect(confirmed === null || isWarned).toBe(true);
});
