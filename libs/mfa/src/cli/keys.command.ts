import { KeyRotation, type MfaRotationOptions } from '../domain/secrets/key-rotation.js';
import type { MfaKeyReport } from '../domain/secrets/key-report.js';
import { TypeOrmSealedValueStore } from '../persistence/stores/index.js';
import { readArguments } from './arguments.js';
import { withDatabase } from './database.js';
import { describeReport, rotationVerdict } from './key-report-text.js';
import { readKeys } from './keys-source.js';
import { progressBar } from './progress-bar.js';
import { EXIT, type Terminal, UsageError } from './terminal.js';

export const KEYS_USAGE = `nestjs-mfa keys <status | rotate | verify> -d <data source file> [--keys <file>]

  status   shows how many rows each key has sealed
  verify   opens every row with the keys; lists the rows that do not open
  rotate   re-encrypts every row that is not under the newest key; the application may run

  -d, --data-source <file>  the DataSource file that TypeORM's command line takes (compiled)
  -k, --keys <file>         a module that exports \`keys\`, and \`fernet\` where used, as given to forRoot;
                            without it the environment variable MFA_KEYS: id:secret[,id:secret…], the newest first
      --batch-size <rows>   rows of one statement, 1 to 1000 (200)
      --first-use           rotate although no row proves that the newest key is the application's
      --json                the report as JSON

Exit code: 0 done; 1 rows remain or do not open, or it failed half-way; 2 wrong arguments, keys or database; 130 interrupted, go on by
running it again.`;

const FLAGS = {
  'data-source': { type: 'string', short: 'd' },
  keys: { type: 'string', short: 'k' },
  'batch-size': { type: 'string' },
  'first-use': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

const VERBS = ['status', 'rotate', 'verify'] as const;
type Verb = (typeof VERBS)[number];

/** `nestjs-mfa keys …`; returns the exit code. */
export async function keysCommand(given: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArguments(given, FLAGS);
  const [verb, ...rest] = positionals;
  if (!isVerb(verb) || rest.length > 0) throw new UsageError(`keys: say one of ${VERBS.join(', ')}`);
  const { ring, box } = await readKeys(values.keys, terminal);
  const options: MfaRotationOptions = {
    batchSize: values['batch-size'] === undefined ? undefined : Number(values['batch-size']),
    allowUnprovenKey: values['first-use'],
    signal: terminal.interrupted,
    onProgress: progressBar(terminal, verb),
  };
  const report = await withDatabase(values['data-source'], terminal, (own) =>
    new KeyRotation(new TypeOrmSealedValueStore(own), box, ring)[verb](options),
  );
  terminal.out(values.json ? `${JSON.stringify(report, null, 2)}\n` : describeReport(report));
  if (verb === 'rotate' && !values.json) terminal.out(rotationVerdict(report));
  return exitCode(verb, report);
}

function isVerb(text: string | undefined): text is Verb {
  return VERBS.some((verb) => verb === text);
}

function exitCode(verb: Verb, { interrupted, unreadable, outdated }: MfaKeyReport): number {
  if (interrupted) return EXIT.interrupted;
  if (verb === 'status') return EXIT.done;
  const remain = verb === 'rotate' && outdated > 0;
  return remain || unreadable > 0 ? EXIT.incomplete : EXIT.done;
}
