/** The flags of `npm start` (compare.mjs). */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { LABELS, SCENARIOS } from './variants/names.mjs';

const HELP = `npm start -- [options]
  --rounds N          interleaved rounds                        (5)
  --seconds S         length of one burst                       (1.5)
  --in-flight LIST    requests in flight for right TOTP codes   (1,8,32)
  --users N           enrolled users of each variant            (20000)
  --only LIST         of ${Object.keys(LABELS).join(', ')}
  --scenarios LIST    of ${Object.keys(SCENARIOS).join(', ')}; without it all but passkeyRight, and the chart is written
  --quick             2 rounds of 0.5 s, 4000 users, at 8 and 32; writes results/quick.*
  --database-url URL  a running PostgreSQL (superuser) instead of a private one
  --mariadb-url URL   (mysql://root@127.0.0.1:3306)
  --json FILE         (results/latest.json)
  --svg FILE          (../docs/images/benchmark.svg)`;

/** What every contestant of the comparison can do. */
const COMPARED = ['totpRight', 'totpWrong', 'backupRight', 'backupWrong'];

const QUICK = { rounds: '2', seconds: '0.5', 'in-flight': '8,32', users: '4000' };

export const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The options of this run; ends the process after `--help`. */
export function readOptions(args = process.argv.slice(2)) {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const given = parseArgs({
    args,
    options: {
      ...{
        rounds: text,
        seconds: text,
        'in-flight': text,
        users: text,
        only: text,
        scenarios: text,
        json: text,
        svg: text,
      },
      ...{ 'database-url': text, 'mariadb-url': text, quick: flag, help: flag },
    },
  }).values;
  if (given.help) {
    console.log(HELP);
    process.exit(0);
  }
  const value = (name, usual) => given[name] ?? (given.quick ? QUICK[name] : undefined) ?? usual;
  return {
    quick: given.quick,
    rounds: numberOf(value('rounds', '5')),
    seconds: numberOf(value('seconds', '1.5')),
    inFlight: value('in-flight', '1,8,32').split(',').map(numberOf),
    users: numberOf(value('users', '20000')),
    only: namesOf('only', LABELS, given.only ?? Object.keys(LABELS).join()),
    scenarios: namesOf('scenarios', SCENARIOS, given.scenarios ?? COMPARED.join()),
    databaseUrl: given['database-url'],
    mariadbUrl: given['mariadb-url'] ?? 'mysql://root@127.0.0.1:3306',
    json: given.json ?? here(given.quick ? 'results/quick.json' : 'results/latest.json'),
    svg:
      given.svg ?? (given.scenarios ? null : here(given.quick ? 'results/quick.svg' : '../docs/images/benchmark.svg')),
    poolSize: 10,
    key: randomBytes(32).toString('base64'),
  };
}

function numberOf(text) {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`"${text}" is not a number above zero`);
  return number;
}

function namesOf(flag, known, list) {
  const names = list.split(',');
  const unknown = names.filter((name) => !(name in known));
  if (unknown.length > 0) throw new Error(`--${flag}: there is no ${unknown.join(', ')}\n${HELP}`);
  return names;
}
