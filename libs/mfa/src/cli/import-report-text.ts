import { isBad, type MfaImportReport, type MfaImportSkip } from '../import/import-report.js';

const REASONS: Record<MfaImportSkip['reason'], string> = {
  'already-imported': 'an earlier run imported them',
  'already-enabled': 'they have enrolled by themselves meanwhile, and were left alone',
  'removed-since': 'an earlier run found or made them enrolled, and their authenticator was removed since',
  'not-enabled': 'they had not confirmed it in the source',
  'user-id-unusable': 'the user id is empty, too long, or has outer white space',
  'enabled-unclear': 'the column `enabled` says neither yes nor no',
  'secret-missing': 'confirmed, but without a secret',
  'secret-undecryptable': 'the secret does not decrypt: another key, or the value was altered or cut off',
  'secret-malformed': 'the secret is not of the encoding that the plan tells',
  'secret-impossible': 'the secret has fewer than 10 bytes',
  'usage-impossible': 'a row of `usage` holds no time of its unit: check `usage.unit`',
  'changed-since': 'an earlier run imported another secret than the source has now, which stays as it is',
  'changed-meanwhile': 'the account was changing all the time: run it again',
  'not-argon2id': 'the hash is no Argon2id of version 19, or beyond its bounds',
  'too-costly': 'there are too many codes, or a guess at all of them would cost too much',
  'used-unclear': 'the column `usedAt` says neither yes nor no',
  'without-user': 'the row belongs to none of the users',
};

/** The report for people: numbers and reasons, and no user ids. */
export function describeImport(report: MfaImportReport): string {
  const { applied, users, backupCodes, usage, interrupted, failure, skipped } = report;
  const bad = skipped.filter((each) => each.bad).length;
  return [
    applied ? 'Imported:' : 'Dry run, nothing was written. With --apply it would be imported:',
    `  users         ${users.imported} of ${users.read}`,
    ...reasons(users.skipped),
    `  backup codes  ${backupCodes.imported} of ${backupCodes.read}; ${backupCodes.used} are used up already`,
    ...reasons(backupCodes.skipped),
    `  accepted codes  ${usage.spent} of ${usage.read} are refused from now on; ${usage.expired} had expired`,
    ...reasons(usage.withoutUser > 0 ? { 'without-user': usage.withoutUser } : {}),
    ...(bad > 0 ? [`${bad} of the rows left out are bad. The report lists them first, with "bad": true.`] : []),
    ...(users.weak > 0 ? [`${users.weak} secrets have fewer than 16 bytes: status shows them as weak.`] : []),
    ...(failure === null ? [] : [`It ended early: ${failure}. Nothing is half-written; run it again.`]),
    ...(interrupted ? ['Interrupted. Nothing is half-written; run it again to go on.'] : []),
    '',
  ].join('\n');
}

function reasons(skipped: Partial<Record<MfaImportSkip['reason'], number>>): string[] {
  return Object.entries(skipped).map(([reason, count]) => {
    const verdict = isBad(reason as MfaImportSkip['reason']) ? 'bad' : 'left alone';
    return `    ${count} ${verdict}: ${reason} (${REASONS[reason as MfaImportSkip['reason']]})`;
  });
}
