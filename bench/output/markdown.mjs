/** The results as Markdown, for the pages between `<!-- name -->` and `<!-- /name -->`. */
import { LABELS, SCENARIOS } from '../variants/names.mjs';
import { targets } from './targets.mjs';

export const NOT_YET = '_Not measured yet._';

/** `{ name: content }`; each of the results may be missing. */
export function sections({ comparison, passkeys, passkeyChecks, scale, micro, against }) {
  return {
    benchmark: comparison ? caption(comparison) : NOT_YET,
    comparison: comparison ? comparisonTables(comparison) : NOT_YET,
    'passkey-checks': passkeyChecks ? passkeyChecksTable(passkeyChecks) : NOT_YET,
    passkeys: passkeys ? passkeysTable(passkeys) : NOT_YET,
    'other-databases': comparison ? otherDatabases(comparison) : NOT_YET,
    capacity: comparison ? capacity(comparison) : NOT_YET,
    users: scale ? usersTable(scale) : NOT_YET,
    sizes: scale ? sizesTable(scale) : NOT_YET,
    cleanup: scale ? cleanupTable(scale) : NOT_YET,
    parts: micro ? partsTable(micro) : NOT_YET,
    against: against ? againstTable(against) : NOT_YET,
    targets: targetsTable({ comparison, passkeys, passkeyChecks, scale, micro }),
  };
}

export const measuredOn = ({ date, machine }) => `${machine.name}; ${date}.`;

/** Part of a sentence. */
function caption(comparison) {
  const right = comparison.results.filter(({ scenario }) => scenario === 'totpRight');
  const most = Math.max(...right.map(({ inFlight }) => inFlight));
  const of = (name) => right.find(({ variant, inFlight }) => variant === name && inFlight === most);
  const peer = of('fastify')?.ofPeer;
  return peer ? `${peer.toFixed(1)} times the verifications a second of better-auth (${comparison.date})` : NOT_YET;
}

function comparisonTables({ results, statements, ...rest }) {
  const kinds = [...new Set(results.map(({ scenario, inFlight }) => `${scenario} ${inFlight}`))];
  const tables = kinds.map((kind) => {
    const [scenario, inFlight] = kind.split(' ');
    const rows = results.filter((row) => row.scenario === scenario && row.inFlight === Number(inFlight));
    return `**${SCENARIOS[scenario].label}, ${inFlight} in flight**\n\n${comparisonTable(rows, statements)}`;
  });
  const { rounds, seconds, poolSize } = rest.run;
  const how = `${measuredOn(rest)} Medians of ${rounds} interleaved rounds of ${seconds} s (least to most); pools of ${poolSize} connections.`;
  return [how, ...tables, ...rest.problems.map((problem) => `Left out: ${problem}.`)].join('\n\n');
}

const COMPARED = [
  '',
  'requests/s',
  '× floor',
  '× same statements',
  'p50 ms',
  'p99 ms',
  'server CPU ms',
  'database CPU ms',
  'statements',
];

function comparisonTable(rows, statements) {
  const cells = ({ variant, scenario, throughput, ofFloor, ofSame, p50, p99, serverCpuMs, databaseCpuMs }) => [
    LABELS[variant],
    spread(throughput),
    ratio(ofFloor),
    ratio(ofSame),
    ms(p50),
    ms(p99),
    ms(serverCpuMs),
    databaseCpuMs ? ms(databaseCpuMs) : '–',
    statementsOf(statements[variant]?.[scenario]),
  ];
  return table(COMPARED, rows.map(cells));
}

const spread = ({ median, min, max }) => `${Math.round(median)} (${Math.round(min)}–${Math.round(max)})`;
const ratio = (value) => (value === null ? '–' : value.toFixed(2));
const ms = ({ median }) => (median < 10 ? median.toFixed(2) : median.toFixed(1));
const statementsOf = (counted) => (counted ? `${counted.statements}, ${counted.writes} of them write` : '–');
const whole = (value) => Math.round(value).toLocaleString('en');

/** Passkeys in relation to TOTP codes of the same variant and round. */
function passkeysTable({ results, statements, ...rest }) {
  const rows = results
    .filter(({ scenario }) => scenario === 'passkeyRight')
    .map(({ variant, scenario, ofTotp, p50OfTotp, cpuOfTotp, databaseCpuOfTotp }) => [
      LABELS[variant],
      ...[ofTotp, p50OfTotp, cpuOfTotp, databaseCpuOfTotp].map(ratio),
      statementsOf(statements[variant]?.[scenario]),
    ]);
  const head = ['passkey × TOTP, 8 in flight', 'requests/s', 'p50', 'server CPU', 'database CPU', 'statements'];
  const { rounds, seconds } = rest.run;
  const how = `${measuredOn(rest)} Medians of ${rounds} interleaved rounds of ${seconds} s.`;
  return `${how}\n\n${table(head, rows)}`;
}

function passkeyChecksTable({ checks, ...rest }) {
  const rows = Object.entries(checks).map(([algorithm, { bareUs, peerUs, libraryUs, addedMs }]) => [
    algorithm,
    ...[bareUs, peerUs, libraryUs].map(whole),
    addedMs.toFixed(2),
  ]);
  const head = [
    'µs of CPU',
    '`crypto.verify`',
    '`@simplewebauthn/server`',
    'nestjs-mfa',
    'ms more than `crypto.verify`',
  ];
  return `${measuredOn(rest)}\n\n${table(head, rows)}`;
}

function otherDatabases({ elsewhere }) {
  const rows = elsewhere.flatMap(({ label, skipped, results, statements }) =>
    skipped
      ? [[label, `skipped: ${skipped}`, '', '', '', '']]
      : results.map((row) => [
          `${label}: ${SCENARIOS[row.scenario].label}`,
          ...[spread(row.throughput), ms(row.p50), ms(row.p99), ms(row.serverCpuMs)],
          statementsOf(statements[row.scenario]),
        ]),
  );
  return table(['8 in flight', 'requests/s', 'p50 ms', 'p99 ms', 'server CPU ms', 'statements'], rows);
}

/** What a processor core carries, if it does nothing else and may be busy for 70 % of the time. */
function capacity({ results }) {
  const rows = results
    .filter(
      ({ scenario, inFlight, variant }) =>
        scenario === 'totpRight' && inFlight === 8 && ['fastify', 'express'].includes(variant),
    )
    .map(({ variant, serverCpuMs, databaseCpuMs }) => [
      LABELS[variant],
      ...[serverCpuMs, databaseCpuMs].map((cpu) => (cpu ? whole(700 / cpu.median) : '–')),
    ]);
  return table(['logins a second and core, at 70 % of it', 'of the application', 'of PostgreSQL'], rows);
}

function usersTable({ verification, ...rest }) {
  const rows = verification.map(({ size, p50, p50OfFirst, throughput }) => [
    whole(size),
    ...[ms(p50), ratio(p50OfFirst), spread(throughput)],
  ]);
  return `${measuredOn(rest)}\n\n${table(['enrolled users', 'p50 ms', '× the first row', 'requests/s'], rows)}`;
}

/** Rows of each table for a million users. */
const PER_USER = { mfa_account: 1, mfa_authenticator: 1, mfa_backup_code: 10 };

function sizesTable({ sizes, cleanup }) {
  const { tables } = sizes.at(-1);
  const rows = tables
    .filter(({ table: name }) => name in PER_USER)
    .map(({ table: name, bytesPerRow, indexBytesPerRow }) => [
      `\`${name}\``,
      `${PER_USER[name]} a user`,
      ...[bytesPerRow, indexBytesPerRow].flatMap((bytes) => [whole(bytes), whole(bytes * PER_USER[name])]),
    ]);
  const { usage } = cleanup.find(({ database }) => database === 'PostgreSQL') ?? {};
  if (usage)
    rows.push([
      '`mfa_usage`',
      '2 a login, for minutes',
      whole(usage.bytesPerRow),
      '–',
      whole(usage.indexBytesPerRow),
      '–',
    ]);
  return table(['table', 'rows', 'bytes a row', 'MB a million users', 'index bytes a row', 'MB a million users'], rows);
}

function cleanupTable({ cleanup }) {
  const rows = cleanup.map((row) =>
    row.skipped
      ? [row.database, `skipped: ${row.skipped}`, '', '', '', '']
      : [
          row.database,
          row.seconds,
          row.longestStatementMs ? Math.round(row.longestStatementMs) : '–',
          Math.round(row.longestStallMs),
          row.p50OfQuiet ? ratio(row.p50OfQuiet) : '–',
          row.throughputOfQuiet ? ratio(row.throughputOfQuiet) : '–',
        ],
  );
  const head = [
    `${whole(cleanup[0].expired)} expired rows`,
    ...['seconds', 'longest statement ms', 'longest stall of the event loop ms', 'p50 × quiet', 'throughput × quiet'],
  ];
  return table(head, rows);
}

function partsTable({ checks, setup, module, backupGuesses, ...rest }) {
  const rows = [
    ['TOTP check, window ±1', `${checks.totp.libraryUs} µs: ${ratio(checks.totp.ratio)} times three bare HMACs`],
    [
      'mfa_token check without its statement',
      `${checks.token.libraryUs} µs: ${ratio(checks.token.ratio)} times a bare HMAC token`,
    ],
    ['`POST /mfa/totp/setup`, QR codes included', `${setup.cpuMs} ms of CPU`],
    [
      'start of an application',
      `${whole(module.addedStartMs)} ms more; ${whole(module.addedStartWithPeersMs)} ms where class-validator and @nestjs/schedule are loaded anyway`,
    ],
    [
      'memory of an application',
      `${whole(module.addedRssMiB)} MiB more; ${whole(module.addedRssWithPeersMiB)} MiB there`,
    ],
    ['CPU of a route without MFA decorators', `${ratio(module.otherRoutesCpuRatio)} times that without the module`],
    [
      '16 backup-code guesses in flight',
      `${whole(backupGuesses.guessesPerSecond)} guesses/s; TOTP p99 ${ratio(backupGuesses.totpP99OfQuiet)} times quiet; ${whole(backupGuesses.addedRssMiB)} MiB more`,
    ],
  ];
  return `${measuredOn(rest)}\n\n${table(['part', 'cost'], rows)}`;
}

/** An application without passkeys, now and with an older build. */
function againstTable({ startMs, rssMiB, verification, commit, ...rest }) {
  const { throughput, p50, serverCpuMs, databaseCpuMs, statements } = verification;
  const signed = (value) => (value < 0 ? `−${-value}` : `+${value}`);
  const added = (what, { before, now, added }) => [what, before.median, now.median, signed(added)];
  const compared = (what, { before, now, ratio: of }) => [what, before.median, now.median, `× ${ratio(of)}`];
  const rows = [
    ['statements of a right TOTP code', ...['before', 'now'].map((build) => statementsOf(statements[build])), ''],
    added('start, ms', startMs),
    added('memory after the start, MiB', rssMiB),
    compared('TOTP verifications a second', throughput),
    compared('p50 ms', p50),
    compared('server CPU ms', serverCpuMs),
    compared('database CPU ms', databaseCpuMs),
  ];
  return `${measuredOn(rest)} Before: commit ${commit}.\n\n${table(['', 'before', 'now', 'now against before'], rows)}`;
}

function targetsTable(results) {
  const rows = targets(results).map(({ what, target, measured, met }) => [
    what,
    target,
    measured,
    met ? 'yes' : '**no**',
  ]);
  return rows.length > 0 ? table(['what', 'target', 'measured', 'met'], rows) : NOT_YET;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return ['<!-- prettier-ignore -->', line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
