import type { KeyRing } from './key-ring.js';
import type { SealedOrigin, SecretBox } from './secret-box.js';
import type { SealedPurpose, SealedValue } from './sealed-value.store.js';

/** Rows that one key, or one foreign format, sealed. */
export interface MfaKeyUsage {
  format: SealedOrigin['format'];
  /** `null` for a format without key ids. */
  keyId: string | null;
  /** `writes`: the first of the option `keys`; `reads`: a later one; `absent`: none of them; `foreign`: no key of the ring sealed it. */
  role: 'writes' | 'reads' | 'absent' | 'foreign';
  authenticators: number;
  backupCodes: number;
  /** Those of both that did not open; 0 where nothing was opened. */
  unreadable: number;
}

/** A row that cannot be opened, and why; for the operator. */
export interface MfaUnreadableRow {
  purpose: SealedPurpose;
  rowId: string;
  reason: string;
}

/** What stands under which key. */
export interface MfaKeyReport {
  /** The key that writes first, even without rows. */
  keys: MfaKeyUsage[];
  /** Rows that are not under the key that writes. */
  outdated: number;
  /** Rows that did not open; 0 where nothing was opened. */
  unreadable: number;
  /** The first hundred of them. */
  unreadableRows: MfaUnreadableRow[];
  /** Whether `signal` ended the work early: the numbers are what was seen until then. */
  interrupted: boolean;
}

const MOST_LISTED = 100;

/** Counts rows by the key that sealed them. */
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

/** All rows of one key. */
export function rowsOf({ authenticators, backupCodes }: MfaKeyUsage): number {
  return authenticators + backupCodes;
}
