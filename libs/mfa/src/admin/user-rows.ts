import { Injectable } from '@nestjs/common';
import { MfaAuditService } from '../audit/audit.service.js';
import type { AccountSnapshot } from '../domain/accounts/account.js';
import { MfaAccountStore } from '../domain/accounts/account.store.js';
import type { AuditState } from '../domain/audit/audit.store.js';
import type { BackupCode } from '../domain/backup-codes/backup-code.js';
import { MfaBackupCodeStore } from '../domain/backup-codes/backup-code.store.js';
import type { TrustedDevice } from '../domain/devices/device.js';
import { MfaDeviceStore } from '../domain/devices/device.store.js';
import type { Passkey } from '../domain/passkeys/passkey.js';
import { MfaPasskeyStore } from '../domain/passkeys/passkey.store.js';
import { MfaPolicySeenStore, type PolicySighting } from '../domain/policy/policy-seen.store.js';
import type { SpentEntry } from '../domain/usage/usage.js';
import { MfaUsageStore } from '../domain/usage/usage.store.js';
import { MfaEvents } from '../events/mfa-events.js';
import type { MfaEvent } from '../host/mfa-event.js';

/** The rows of one user in all tables. */
export interface UserRows {
  userId: string;
  /** `null` = the user has no MFA account. */
  snapshot: AccountSnapshot | null;
  codes: readonly BackupCode[];
  passkeys: readonly Passkey[];
  spent: readonly SpentEntry[];
  sightings: readonly PolicySighting[];
  devices: readonly TrustedDevice[];
  events: readonly (MfaEvent & { state: AuditState })[];
}

/** Reads what is stored about a user. */
@Injectable()
export class UserRowsReader {
  constructor(
    private readonly accounts: MfaAccountStore,
    private readonly codes: MfaBackupCodeStore,
    private readonly passkeys: MfaPasskeyStore,
    private readonly usage: MfaUsageStore,
    private readonly policiesSeen: MfaPolicySeenStore,
    private readonly devices: MfaDeviceStore,
    private readonly audit: MfaAuditService,
    private readonly recorded: MfaEvents,
  ) {}

  /** Seven statements, and two more with an audit table. */
  async read(userId: string): Promise<UserRows> {
    const snapshot = await this.accounts.load(userId);
    const setId = snapshot?.account.backupSetId;
    const codes = setId ? await this.codes.list(userId, setId) : [];
    const passkeys = await this.passkeys.list(userId);
    const spent = await this.usage.list(userId);
    const sightings = await this.policiesSeen.list(userId);
    const devices = await this.devices.list(userId);
    // A process that ended may have left the event of the last change in the account.
    await this.recorded.keepLastChange(userId);
    const events = (await this.audit.listAll(userId)).map(({ event, state }) => ({ ...event, state }));
    return { userId, snapshot, codes, passkeys, spent, sightings, devices, events };
  }
}
