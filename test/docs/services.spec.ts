import { join } from 'node:path';
import { MfaAdminService } from 'nestjs-mfa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client } from '../support/client.js';
import { FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { writeExample, type Example } from './example.js';
import { codeFiles, read } from './markdown.js';

interface ForgotPassword {
  reset(token: string, password: string): Promise<void>;
}

let example: Example;
let host: HostApp;
let steps: string[];
let ForgotPassword: new (dataSource: object, resets: object, mfa: object) => ForgotPassword;

beforeAll(async () => {
  example = await writeExample(codeFiles(read('docs/reference/services.md')));
  const file = join(example.folder, 'src/reference/forgot-password.ts');
  ({ ForgotPassword } = (await import(file)) as { ForgotPassword: typeof ForgotPassword });
  host = await startHostApp({ options: FEW_CODES });
});
afterAll(async () => {
  await host?.close();
  await example?.remove();
});

/** The service of the page, for the user who has this token. */
function forgotPassword(mfa: object): ForgotPassword {
  steps = [];
  const dataSource = {
    transaction: async (work: (manager: object) => Promise<unknown>) => {
      const result = await work({});
      steps.push('commit');
      return result;
    },
  };
  const resets = {
    change: async (_manager: object, token: string) => (steps.push('change'), { id: token }),
    endSessions: async (userId: string) => {
      steps.push('sessions');
      host.state.signOut(userId);
    },
  };
  return new ForgotPassword(dataSource, resets, mfa);
}

describe('the forgotten password of docs/reference/services.md', () => {
  it('S43 ends the logins that began with the old password, after the commit, as an act of the owner', async () => {
    const user = new Client(host, 'ann');
    const { authenticator } = await user.enroll();
    const begun = await user.login();
    const admin = host.app.get(MfaAdminService, { strict: false });
    const passwordChanged = async (...given: Parameters<MfaAdminService['passwordChanged']>) => {
      steps.push('mfa');
      await admin.passwordChanged(...given);
    };
    await forgotPassword({ passwordChanged }).reset('ann', 'a new one');
    expect(steps).toEqual(['change', 'commit', 'mfa', 'sessions']);
    await user.verify(begun, authenticator.code()).expect(401, /MFA_TOKEN_INVALID/);
    await user.get('/mfa/status').expect(401);
    const event = { type: 'mfa.invalidated', userId: 'ann', actor: { type: 'user', id: 'ann' } };
    await expect.poll(() => host.state.events).toContainEqual(expect.objectContaining(event));
  });

  it('ends the sessions also where the database of the module cannot be used', async () => {
    const user = new Client(host, 'bob');
    const busy = { passwordChanged: () => Promise.reject(new Error('busy')) };
    await expect(forgotPassword(busy).reset('bob', 'a new one')).rejects.toThrow('busy');
    await user.get('/mfa/status').expect(401);
  });
});
