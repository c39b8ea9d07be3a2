import type { KeyRing } from './key-ring.js';
import type { SealedOrigin, SecretBox } from './secret-box.js';
import type { SealedPurpose, SealedValue } from './sealed-value.store.js';

/** Number of rows that one key encrypted, or that have one foreign format. */
export interface MfaKeyUsage {
  format: SealedOrigin['format'];
  /** `null` for a format without key ids. */
  keyId: string | null;
  /** `writes` = the first key of the option `keys`; `reads` = a later one; `absent` = not in the option; `foreign` = another format. */
  role: 'writes' | 'reads' | 'absent' | 'foreign';
  authenticators: number;
  backupCodes: number;
  /** Rows of both kinds that could not be decrypted. 0 for `status`, which decrypts nothing. */
  unreadable: number;
}

/** A row that cannot be decrypted, with the reason. For the operator. */
export interface MfaUnreadableRow {
  purpose: SealedPurpose;
  rowId: string;
  reason: string;
}

/** The number of rows by encryption key. */
export interface MfaKeyReport {
  /** One entry for each key. The newest key is the first, even without rows. */
  keys: MfaKeyUsage[];
  /** Rows that are not under the newest key. */
  outdated: number;
  /** Rows that could not be decrypted. 0 for `status`, which decrypts nothing. */
  unreadable: number;
  /** The first 100 rows that could not be decrypted. */
  unreadableRows: MfaUnreadableRow[];
  /** Whether `signal` stopped the work early. The numbers then count only the rows until the stop. */
  interrupted: boolean;
}

const MOST_LISTED = 100;

/** Counts rows by the key that encrypted them. */
export class KeyTally {
  private readonly usages = new Map<string, MfaKeyUsage>();
  private readonly unreadableRows: MfaUnreadableRow[] = [];

  constructor(
    private readonly box: SecretBox,
    private readonly ring: KeyRing,
  ) {
    this.usageOf({ format: 'v1', keyId: ring.newest.id });
  }

  add({ purpose, sealed }: SealedValue): void {
    this.usageOf(this.box.originOf(sealed))[purpose === 'totp-secret' ? 'authenticators' : 'backupCodes'] += 1;
  }

  addUnreadable({ purpose, sealed, credentialId }: SealedValue, reason: string): void {
    this.usageOf(this.box.originOf(sealed)).unreadable += 1;
    if (this.unreadableRows.length < MOST_LISTED) this.unreadableRows.push({ purpose, rowId: credentialId, reason });
  }

  report(interrupted: boolean): MfaKeyReport {
    const keys = [...this.usages.values()];
    return {
      keys,
      outdated: keys.filter(({ role }) => role !== 'writes').reduce((sum, usage) => sum + rowsOf(usage), 0),
      unreadable: keys.reduce((sum, { unreadable }) => sum + unreadable, 0),
      unreadableRows: this.unreadableRows,
      interrupted,
    };
  }

  private usageOf(origin: SealedOrigin): MfaKeyUsage {
    const name = `${origin.format} ${origin.keyId}`;
    const usage = this.usages.get(name) ?? {
      ...origin,
      role: this.roleOf(origin),
      authenticators: 0,
      backupCodes: 0,
      unreadable: 0,
    };
    this.usages.set(name, usage);
    return usage;
  }

  private roleOf({ keyId }: SealedOrigin): MfaKeyUsage['role'] {
    if (keyId === null) return 'foreign';
    if (keyId === this.ring.newest.id) return 'writes';
    return this.ring.byId(keyId) ? 'reads' : 'absent';
  }
}

/** Number of rows of one key. */
export function rowsOf({ authenticators, backupCodes }: MfaKeyUsage): number {
  return authenticators + backupCodes;
}
