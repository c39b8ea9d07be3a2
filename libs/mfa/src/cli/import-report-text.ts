import { isBad, type MfaImportReport, type MfaImportSkip } from '../import/import-report.js';

const REASONS: Record<MfaImportSkip['reason'], string> = {
  'already-imported': 'an earlier run imported them',
  'already-enabled': 'they have enrolled here already',
  'removed-since': 'their authenticator was removed after an earlier run',
  'not-enabled': 'they had not confirmed it in the source',
  'user-id-unusable': 'the user id is empty, too long, or has outer white space',
  'enabled-unclear': 'the column `enabled` holds neither a boolean nor a time',
  'secret-missing': 'the user is confirmed, but has no secret',
  'secret-undecryptable': 'the secret does not decrypt: another key, or the value was altered or cut off',
  'secret-malformed': 'the secret does not have the encoding of the plan',
  'secret-impossible': 'the secret has fewer than 10 bytes',
  'usage-impossible': 'a row of `usage` holds no time in its unit: check `usage.unit`',
  'changed-since': 'an earlier run imported another secret than the source has now; the imported one stays',
  'changed-meanwhile': 'the account kept changing: run the import again',
  'not-argon2id': 'the hash is not Argon2id version 19, or is outside the limits',
  'too-costly': 'the user has too many codes, or a guess at them would cost too much',
  'used-unclear': 'the column `usedAt` holds neither a boolean nor a time',
  'without-user': 'no imported user has this row',
};

/** The report as text: numbers and reasons, without user ids. */
export function describeImport(report: MfaImportReport): string {
  const { applied, users, backupCodes, usage, interrupted, failure, skipped } = report;
  const bad = skipped.filter((each) => each.bad).length;
  return [
    applied ? 'Imported:' : 'Dry run: nothing was written. With --apply this would be imported:',
    `  users         ${users.imported} of ${users.read}`,
    ...reasons(users.skipped),
    `  backup codes  ${backupCodes.imported} of ${backupCodes.read}; ${backupCodes.used} are already used`,
    ...reasons(backupCodes.skipped),
    `  accepted codes  ${usage.spent} of ${usage.read} are refused from now on; ${usage.expired} had expired`,
    ...reasons(usage.withoutUser > 0 ? { 'without-user': usage.withoutUser } : {}),
    ...(bad > 0 ? [`${bad} of the skipped rows are bad. The report lists them first, with "bad": true.`] : []),
    ...(users.weak > 0 ? [`${users.weak} secrets have fewer than 16 bytes: status shows them as weak.`] : []),
    ...(failure === null ? [] : [`The import ended early: ${failure}. No user is imported in part. Run it again.`]),
    ...(interrupted ? ['Interrupted. No user is imported in part. Run it again to continue.'] : []),
    '',
  ].join('\n');
}

function reasons(skipped: Partial<Record<MfaImportSkip['reason'], number>>): string[] {
  return Object.entries(skipped).map(([reason, count]) => {
    const verdict = isBad(reason as MfaImportSkip['reason']) ? 'bad' : 'left out';
    return `    ${count} ${verdict}: ${reason} (${REASONS[reason as MfaImportSkip['reason']]})`;
  });
}
