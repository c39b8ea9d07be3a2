/**
 * How likely it is that somebody who has the first factor guesses the second one: the tables of `docs/security/attempts.md`.
 *
 *   node scripts/guessing-probability.mjs           prints them
 *   node scripts/guessing-probability.mjs --write   writes them into the page
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const PAGE = fileURLToPath(new URL('../docs/security/attempts.md', import.meta.url));

/** The library's defaults; a test compares them with the code. */
export const DEFAULTS = {
  window: 1,
  digits: 6,
  authenticators: 1,
  dailyBurst: 10,
  dailyRefill: 10,
  disableAfter: 100,
  backupCodes: 10,
};

/** Codes of 8 symbols out of 32, of which at least one is a letter (8 of the symbols are digits). */
const BACKUP_CODES = 32 ** 8 - 8 ** 8;

/** The chance that one guess is right: so many codes are right at a time, out of so many. */
export function chanceOfOneGuess({ window, digits, authenticators }) {
  return ((2 * window + 1) * authenticators) / 10 ** digits;
}

/** 1-(1-p)^n, in a form that keeps its digits where p is tiny. */
export function chanceOfAny(p, guesses) {
  return -Math.expm1(guesses * Math.log1p(-p));
}

/** Guesses that are evaluated in `days` days at most: the burst, and what flows back. */
export function guessesIn(days, { dailyBurst, dailyRefill }) {
  return dailyBurst + days * dailyRefill;
}

/** The chances for one policy. `alone`: no success of the owner ends the run of failures within the year. */
export function chances(policy) {
  const p = policy.p ?? chanceOfOneGuess(policy);
  const year = guessesIn(365, policy);
  return {
    guess: p,
    day: chanceOfAny(p, Math.min(guessesIn(1, policy), policy.disableAfter)),
    alone: chanceOfAny(p, Math.min(year, policy.disableAfter)),
    year: chanceOfAny(p, year),
  };
}

const oneIn = (chance) => {
  const n = 1 / chance;
  if (n < 100) return `1 in ${n.toFixed(1)}`;
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(n)) - 2);
  return `1 in ${(Math.round(n / digits) * digits).toLocaleString('en-US')}`;
};

const TOTP = [
  {},
  { window: 0 },
  { window: 2 },
  { authenticators: 2 },
  { authenticators: 3 },
  { authenticators: 4 },
  { authenticators: 5 },
  { digits: 8 },
  { digits: 8, window: 0 },
  { digits: 8, authenticators: 5 },
  { window: 2, authenticators: 5 },
  { dailyBurst: 5, dailyRefill: 5 },
  { dailyBurst: 5, dailyRefill: 1 },
  { dailyBurst: 20, dailyRefill: 20 },
  { dailyBurst: 50, dailyRefill: 50 },
  { dailyBurst: 5, dailyRefill: 5, authenticators: 5 },
];

const BACKUP = [{}, { backupCodes: 4 }, { backupCodes: 20 }, { dailyBurst: 50, dailyRefill: 50 }];

function totpTable() {
  const lines = TOTP.map((changes) => {
    const policy = { ...DEFAULTS, ...changes };
    const { guess, day, alone, year } = chances(policy);
    const mark = Object.keys(changes).length === 0 ? ' (default)' : '';
    const cap = `${policy.dailyBurst} + ${policy.dailyRefill}`;
    return [
      `${policy.window}${mark}`,
      policy.digits,
      policy.authenticators,
      cap,
      ...[guess, day, alone, year].map(oneIn),
    ];
  });
  const head = [
    'Window',
    'Digits',
    'Authenticators',
    'Burst + refill',
    'One guess',
    'A day',
    'A year, owner absent',
    'A year, owner signs in',
  ];
  return table(head, lines);
}

function backupTable() {
  const lines = BACKUP.map((changes) => {
    const policy = { ...DEFAULTS, ...changes };
    const { guess, day, alone, year } = chances({ ...policy, p: policy.backupCodes / BACKUP_CODES });
    const mark = Object.keys(changes).length === 0 ? ' (default)' : '';
    const cap = `${policy.dailyBurst} + ${policy.dailyRefill}`;
    return [`${policy.backupCodes}${mark}`, cap, ...[guess, day, alone, year].map(oneIn)];
  });
  return table(
    ['Codes', 'Burst + refill', 'One guess', 'A day', 'A year, owner absent', 'A year, owner signs in'],
    lines,
  );
}

function table(head, lines) {
  const row = (cells) => `| ${cells.join(' | ')} |`;
  return ['<!-- prettier-ignore -->', row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n');
}

/** The page with both tables as they are now. */
export function rendered(page) {
  const put = (text, name, content) =>
    text.replace(
      new RegExp(`(<!-- ${name} -->).*?(<!-- /${name} -->)`, 's'),
      (_, open, close) => `${open}\n\n${content}\n\n${close}`,
    );
  return put(put(page, 'totp', totpTable()), 'backup-codes', backupTable());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--write')) writeFileSync(PAGE, rendered(readFileSync(PAGE, 'utf8')));
  else console.log(`${totpTable()}\n\n${backupTable()}`);
}
