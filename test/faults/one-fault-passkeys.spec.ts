import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Response } from 'supertest';
import { MfaAccountStore } from '../../libs/mfa/src/domain/accounts/account.store.js';
import { BackupCodeHasher } from '../../libs/mfa/src/domain/backup-codes/backup-code-hash.js';
import { MfaPasskeyStore } from '../../libs/mfa/src/domain/passkeys/passkey.store.js';
import { MfaUsageStore } from '../../libs/mfa/src/domain/usage/usage.store.js';
import { FaultInjection, faultCases, type FaultLine } from '../support/fault-injection.js';
import { dumpTables, FEW_CODES, startHostApp, type HostApp } from '../support/host-app.js';
import { newKey, PasskeyClient, PASSKEYS } from '../support/passkey-client.js';

const PARTS = {
  accounts: MfaAccountStore,
  hasher: BackupCodeHasher,
  passkeys: MfaPasskeyStore,
  usage: MfaUsageStore,
};

type Part = keyof typeof PARTS;
type SetupFlow = 'setup' | 'confirm';

/** Methods that a registration calls up to its commit. */
const SETUPS: FaultLine<Part, SetupFlow>[] = [
  ['passkeys', 'list', 'setup', 'or undefined'],
  ['usage', 'list', 'confirm', 'or undefined'],
  ['hasher', 'hashSet', 'confirm', 'or undefined'],
  ['usage', 'spend', 'confirm', 'or undefined'],
  ['accounts', 'commit', 'confirm', 'or undefined'],
];

describe('one fault at a time, with a passkey', () => {
  let host: HostApp;
  let users = 0;
  const injection = new FaultInjection();
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);

  beforeAll(async () => {
    process.on('unhandledRejection', note);
    host = await startHostApp({ options: { ...PASSKEYS, ...FEW_CODES } });
    for (const [part, method] of SETUPS) {
      injection.makeBreakable(host.app.get<object>(PARTS[part] as never, { strict: false }), part, method);
    }
  });
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await host.close();
  });
  beforeEach(() => {
    injection.struck = 0;
    unhandled.length = 0;
  });
  afterEach(() => {
    injection.fault = null;
  });

  const newUser = () => new PasskeyClient(host, `keyless-${(users += 1)}`);
  const rowsOf = async ({ userId }: PasskeyClient) =>
    (await dumpTables(host)).mfa_passkey!.filter((row) => (row as { user_id: string }).user_id === userId);

  async function underFault(fault: NonNullable<FaultInjection['fault']>, act: () => PromiseLike<Response>) {
    injection.fault = fault;
    const answer = await act();
    injection.fault = null;
    expect(injection.struck, 'the fault was met').toBeGreaterThan(0);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    if (fault.mode === 'hangs until a deadline') expect(answer.status).toBe(503);
    for (const field of ['accessToken', 'backupCodes', 'options', 'removed', 'session']) {
      expect(answer.body).not.toHaveProperty(field);
    }
    return answer;
  }

  it.each(faultCases(SETUPS.filter(([, method]) => method !== 'commit')))(
    'S81 a registration that failed before its commit keeps no row, so that the key is registered at once: $method of $part $mode',
    async ({ flow, ...fault }) => {
      const user = newUser();
      const key = newKey();
      const credentialId = randomBytes(32).toString('base64url');
      const create = async () => key.create((await user.setupPasskey().expect(200)).body.options, { credentialId });
      const passkey = flow === 'setup' ? null : await create();
      await underFault(fault, () => (passkey ? user.confirmPasskey(passkey) : user.setupPasskey()));
      expect(await rowsOf(user)).toEqual([]);
      await user.confirmPasskey(await create()).expect(200);
      expect((await user.signInByPasskey(key)).status).toBe(200);
    },
  );

  it('S79 S81 a registration whose commit failed keeps its row for the grace, as the commit may come late', async () => {
    const user = newUser();
    const { body } = await user.setupPasskey().expect(200);
    const passkey = newKey().create(body.options);
    await underFault({ part: 'accounts', method: 'commit', mode: 'throws' }, () => user.confirmPasskey(passkey));
    expect(await rowsOf(user)).toHaveLength(1);
  });
});
