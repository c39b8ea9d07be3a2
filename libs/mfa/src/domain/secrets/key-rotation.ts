import { setImmediate } from 'node:timers/promises';
import { isMfaError, MfaError } from '../mfa-error.js';
import { KeyTally, type MfaKeyReport, rowsOf } from './key-report.js';
import type { KeyRing } from './key-ring.js';
import type { SecretBox } from './secret-box.js';
import {
  type MfaSealedValueStore,
  type Reencryption,
  SEALED_PURPOSES,
  type SealedValue,
} from './sealed-value.store.js';

/** Options for a scan of all rows. */
export interface MfaKeyScanOptions {
  /** Rows that one statement reads or writes, 1 to 1000. @default 200 */
  batchSize?: number | undefined;
  /** Called after every batch with the number of rows done and the total. A rotation scans all rows several times. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Stops the work after the current batch. The next run continues. */
  signal?: AbortSignal | undefined;
}

/** Options for a rotation. */
export interface MfaRotationOptions extends MfaKeyScanOptions {
  /** Rotates although no row proves that the application has the same secret for the newest key. @default false */
  allowUnprovenKey?: boolean | undefined;
}

/** Processes a batch. Returns its rows as they are afterwards. */
type Pass = (
  batch: readonly SealedValue[],
  tally: KeyTally,
) => readonly SealedValue[] | Promise<readonly SealedValue[]>;

/** Passes of a rotation. Instances that still use the old key may write new rows during a pass. */
const MOST_PASSES = 3;

/** Scans all encrypted rows, and re-encrypts them under the newest key. Verifications may run at the same time. */
// S62
export class KeyRotation {
  constructor(
    private readonly values: MfaSealedValueStore,
    private readonly box: SecretBox,
    private readonly ring: KeyRing,
  ) {}

  /**
   * Counts the rows of each key without decrypting them.
   * @throws MfaError `MFA_BUSY`; `MFA_BAD_REQUEST` for a batch size out of range
   */
  status(options: MfaKeyScanOptions = {}): Promise<MfaKeyReport> {
    return this.scan(options, (batch) => batch);
  }

  /** Decrypts every row and reports the rows that fail. Errors as {@link status}. */
  verify(options: MfaKeyScanOptions = {}): Promise<MfaKeyReport> {
    return this.scan(options, (batch, tally) => {
      for (const value of batch) this.open(value, tally);
      return batch;
    });
  }

  /**
   * Re-encrypts every row that is not under the newest key. Rows that do not open stay unchanged and are reported.
   * You can interrupt and repeat it at any time. The report is that of a last pass, which decrypts every row.
   * @throws MfaError `MFA_MISCONFIGURED`, before the first write, if a row under the id of the newest key does not open,
   * or if no row is (see `allowUnprovenKey`); otherwise as {@link status}
   */
  async rotate({ allowUnprovenKey = false, ...options }: MfaRotationOptions = {}): Promise<MfaKeyReport> {
    let report = await this.verify(options);
    if (!report.interrupted && outdatedRows(report) > 0) this.requireProvenKey(report, allowUnprovenKey);
    for (let pass = 0; pass < MOST_PASSES && !report.interrupted && outdatedRows(report) > 0; pass += 1) {
      report = await this.scan(options, (batch, tally) => this.reencrypt(batch, tally));
      // Only saves a scan: an interrupted one would end at once.
      if (!report.interrupted) report = await this.verify(options);
    }
    return report;
  }

  /** Throws if no row proves the secret of the newest key. With a mistyped secret, all rows would be lost with the old key. */
  private requireProvenKey({ keys }: MfaKeyReport, allowUnprovenKey: boolean): void {
    const { id } = this.ring.newest;
    // The first of the report; `find` does not rely on the order.
    const newest = keys.find(({ role }) => role === 'writes');
    const rows = newest ? rowsOf(newest) : 0;
    if (allowUnprovenKey) return;
    if (newest && newest.unreadable > 0) {
      throw misconfigured(
        `${newest.unreadable} of ${rows} rows of the newest key "${id}" do not open: its secret is not the one that ` +
          'encrypted them, or they are damaged. List them with verify, or allow an unproven key.',
      );
    }
    if (rows > 0) return;
    throw misconfigured(
      `No row is encrypted under the newest key "${id}" yet, so nothing proves that the application has the same secret. ` +
        'Deploy the key to the application first and let one user sign in or enroll; or allow an unproven key.',
    );
  }

  private async reencrypt(batch: readonly SealedValue[], tally: KeyTally): Promise<readonly SealedValue[]> {
    const reencryptions = batch
      .filter(({ sealed }) => !this.box.isCurrent(sealed))
      .flatMap((value): Reencryption[] => {
        const plaintext = this.open(value, tally);
        return plaintext ? [{ ...value, reencrypted: this.box.seal(plaintext, value) }] : [];
      });
    const [first] = reencryptions;
    if (first) await this.values.replace(first.purpose, reencryptions);
    const now = new Map(reencryptions.map(({ credentialId, reencrypted }) => [credentialId, reencrypted]));
    return batch.map((value) => ({ ...value, sealed: now.get(value.credentialId) ?? value.sealed }));
  }

  private open(value: SealedValue, tally: KeyTally): Buffer | null {
    try {
      return this.box.open(value.sealed, value);
    } catch (error) {
      if (!isMfaError(error)) throw error;
      tally.addUnreadable(value, error.message);
      return null;
    }
  }

  private async scan({ batchSize = 200, onProgress, signal }: MfaKeyScanOptions, pass: Pass): Promise<MfaKeyReport> {
    if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > 1000) {
      throw new MfaError('MFA_BAD_REQUEST', { message: ['batchSize must be a whole number from 1 to 1000'] });
    }
    const tally = new KeyTally(this.box, this.ring);
    const counts = await Promise.all(SEALED_PURPOSES.map((purpose) => this.values.count(purpose)));
    const total = counts.reduce((sum, count) => sum + count, 0);
    let done = 0;
    for await (const batch of this.batches(batchSize)) {
      if (signal?.aborted) return tally.report(true);
      for (const value of await pass(batch, tally)) tally.add(value);
      done += batch.length;
      onProgress?.(done, Math.max(done, total));
      // A SQLite driver is synchronous. Without this pause, no other work runs, not even a signal handler.
      await setImmediate();
    }
    return tally.report(false);
  }

  /** All rows in the order of their ids. The next pass finds a row that is inserted before the cursor. */
  private async *batches(batchSize: number): AsyncGenerator<readonly SealedValue[]> {
    for (const purpose of SEALED_PURPOSES) {
      // Any text that sorts before every row id.
      let afterId = '';
      for (;;) {
        const batch = await this.values.listAfter(purpose, afterId, batchSize);
        const last = batch.at(-1);
        if (!last) break;
        yield batch;
        afterId = last.credentialId;
      }
    }
  }
}

/** Number of rows that can be decrypted and are not under the newest key. */
function outdatedRows({ keys }: MfaKeyReport): number {
  const outdated = keys.filter(({ role }) => role !== 'writes');
  return outdated.reduce((sum, usage) => sum + rowsOf(usage) - usage.unreadable, 0);
}

function misconfigured(message: string): MfaError {
  return new MfaError('MFA_MISCONFIGURED', { message });
}
