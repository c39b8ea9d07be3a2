import { MfaError } from '../domain/mfa-error.js';
import { rowsOf } from '../domain/secrets/key-report.js';
import type { KeyRing } from '../domain/secrets/key-ring.js';
import { KeyRotation } from '../domain/secrets/key-rotation.js';
import type { SecretBox } from '../domain/secrets/secret-box.js';
import type { MfaSealedValueStore } from '../domain/secrets/sealed-value.store.js';

/** The keys that an import writes with. */
export interface ImportKeys {
  ring: KeyRing;
  box: SecretBox;
}

/**
 * Checks the newest key against the rows that it has sealed. Rows that are sealed with a mistyped secret lock their
 * owners out, because the application cannot open them.
 * @returns a warning when no row is sealed under that key yet, so that nothing proves its secret; otherwise `null`
 * @throws MfaError `MFA_MISCONFIGURED` when none of its rows opens
 */
export async function checkImportKeys(values: MfaSealedValueStore, { box, ring }: ImportKeys): Promise<string | null> {
  const { keys } = await new KeyRotation(values, box, ring).verify();
  const newest = keys.find(({ role }) => role === 'writes');
  const rows = newest ? rowsOf(newest) : 0;
  const { id } = ring.newest;
  if (newest && rows > 0 && newest.unreadable === rows) {
    throw new MfaError('MFA_MISCONFIGURED', {
      message: `The secret given for the key "${id}" is not the one that sealed the existing rows.`,
    });
  }
  if (rows > 0) return null;
  return (
    `No row is sealed under the key "${id}" yet. Make sure that the application has the same id and secret. ` +
    'Users who are imported under another key cannot sign in.'
  );
}
