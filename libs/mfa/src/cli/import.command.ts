import { SystemClock } from '../domain/clock.js';
import type { MfaImportReport } from '../import/import-report.js';
import { runImport } from '../import/import-run.js';
import { checkImportKeys } from '../import/key-check.js';
import { type ImportMapping, readPlan } from '../import/read-plan.js';
import { TypeOrmImportSource } from '../persistence/import-source.js';
import { importStores } from '../persistence/import-stores.js';
import { TypeOrmSealedValueStore } from '../persistence/stores/index.js';
import { readArguments } from './arguments.js';
import { withDatabase, withSourceDatabase } from './database.js';
import { describeImport } from './import-report-text.js';
import { type Keys, readKeys } from './keys-source.js';
import { importFile } from './module-file.js';
import { progressBar } from './progress-bar.js';
import { ReportFile } from './report-file.js';
import { EXIT, type Terminal, UsageError } from './terminal.js';

export const IMPORT_USAGE = `nestjs-mfa import <plan file> -d <data source file> [--keys <file>] [--apply]

  Imports users' authenticators and backup codes from another system. The plan is a module whose default export names
  tables and columns. Without --apply it writes nothing and reports what it would import. It is safe to run twice.

  -d, --data-source <file>  the DataSource file of the MFA tables
  -s, --source <file>       the DataSource file of the tables in the plan, if they are in another database
  -k, --keys <file>         the application's keys, as for \`nestjs-mfa keys\`
      --apply               writes
      --report <file>       lists each skipped row with its reason, as JSON (user ids, no secrets). It is written while
                            the import runs, so a killed run leaves one too

Exit code: 0 every row was imported, or skipped for a good reason; 1 rows were skipped for bad data, or the import
ended early; 2 wrong arguments, keys, plan or database, nothing was written; 130 interrupted, run it again to continue.`;

const FLAGS = {
  'data-source': { type: 'string', short: 'd' },
  source: { type: 'string', short: 's' },
  keys: { type: 'string', short: 'k' },
  apply: { type: 'boolean' },
  report: { type: 'string' },
} as const;

type DataSource = ConstructorParameters<typeof TypeOrmImportSource>[0];

/** `nestjs-mfa import …`; returns the exit code. */
export async function importCommand(given: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArguments(given, FLAGS);
  const [plan, ...rest] = positionals;
  if (plan === undefined || rest.length > 0) throw new UsageError('import: name one plan file');
  const exported = await importFile(plan, 'import', terminal);
  const mapping = readPlan(exported.default ?? exported);
  const keys = await readKeys(values.keys, terminal);
  const { 'data-source': path, source: sourcePath, apply = false } = values;
  const reportFile = new ReportFile(values.report, terminal);
  const report = await withDatabase(path, terminal, async (own) => {
    const warning = await checkImportKeys(new TypeOrmSealedValueStore(own), keys);
    if (warning !== null) terminal.err(`Note: ${warning}\n`);
    // Fails before the import when the report cannot be written.
    await reportFile.check();
    const work = (from: DataSource) => importFrom({ own, from, mapping, keys, apply, reportFile }, terminal);
    return sourcePath === undefined ? work(own) : withSourceDatabase(sourcePath, terminal, work);
  });
  const kept = await reportFile.finish(report);
  terminal.out(describeImport(report));
  if (report.interrupted) return EXIT.interrupted;
  return report.ok && kept ? EXIT.done : EXIT.incomplete;
}

interface ImportInput {
  own: DataSource;
  from: DataSource;
  mapping: ImportMapping;
  keys: Keys;
  apply: boolean;
  reportFile: ReportFile;
}

function importFrom(
  { own, from, mapping, keys, apply, reportFile }: ImportInput,
  terminal: Terminal,
): Promise<MfaImportReport> {
  return runImport({
    mapping,
    apply,
    source: new TypeOrmImportSource(from),
    tools: { ...importStores(own), box: keys.box, clock: new SystemClock() },
    onProgress: progressBar(terminal, apply ? 'import' : 'dry run'),
    onReport: (soFar) => reportFile.keep(soFar),
    signal: terminal.interrupted,
  });
}
