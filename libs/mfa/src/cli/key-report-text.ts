import { type MfaKeyReport, type MfaKeyUsage, rowsOf } from '../domain/secrets/key-report.js';

const ROLES: Record<MfaKeyUsage['role'], string> = {
  writes: 'writes',
  reads: 'reads',
  absent: 'not given: its rows do not open',
  foreign: 'not of this library',
};

const nameOf = ({ format, keyId }: MfaKeyUsage): string =>
  keyId ?? (format === 'fernet' ? '(Fernet tokens)' : '(unknown format)');

/** The report for people: a row for each key, then what does not open. */
export function describeReport({ keys, unreadable, unreadableRows, interrupted }: MfaKeyReport): string {
  const rows = keys.map((usage) => [
    nameOf(usage),
    String(usage.authenticators),
    String(usage.backupCodes),
    ROLES[usage.role],
  ]);
  const listed = unreadableRows.map(({ purpose, rowId, reason }) => `  ${purpose} ${rowId}: ${reason}`);
  const more = unreadable - unreadableRows.length;
  return [
    ...table([['key', 'authenticators', 'backup codes', 'role'], ...rows]),
    ...(unreadable > 0 ? [`${unreadable} rows do not open:`, ...listed] : []),
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...(interrupted ? ['Interrupted: these are the rows seen until then. Run it again to go on.'] : []),
    '',
  ].join('\n');
}

/** Whether older keys may go. */
export function rotationVerdict({ keys, outdated, interrupted }: MfaKeyReport): string {
  if (interrupted) return '';
  const older = keys.filter(({ role }) => role !== 'writes');
  if (outdated > 0) {
    const remaining = older
      .filter((usage) => rowsOf(usage) > 0)
      .map((usage) => `${rowsOf(usage)} under ${nameOf(usage)}`);
    return `Not finished: ${remaining.join(', ')}. Do not drop that key: its rows would be lost.\n`;
  }
  return (
    'Every row is under the newest key. Older keys can be dropped once every instance has the newest one, and the ' +
    'mfa_tokens that an older key signed have expired (`challenge.lifetimeSeconds`).\n'
  );
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}
