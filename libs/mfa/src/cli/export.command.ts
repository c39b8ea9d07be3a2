import { listChanges, type MfaChangesSinceImport } from '../import/changes-since-import.js';
import { readPlan } from '../import/read-plan.js';
import { TypeOrmImportSource } from '../persistence/import-source.js';
import { importStores } from '../persistence/import-stores.js';
import { readArguments } from './arguments.js';
import { withDatabase, withSourceDatabase } from './database.js';
import { importFile } from './module-file.js';
import { EXIT, type Terminal, UsageError } from './terminal.js';

export const EXPORT_USAGE = `nestjs-mfa export <plan file> -d <data source file>

  Lists the changes since the import, for going back to the old system. The output is JSON: the backup codes that were
  used or replaced here, and the users whose authenticator was removed here. It only reads, and needs no keys.

  -d, --data-source <file>  the DataSource file of the MFA tables
  -s, --source <file>       the DataSource file of the tables in the plan, if they are in another database

Exit code: 0 done; 1 it failed while reading; 2 wrong arguments, plan or database; 130 interrupted.`;

const FLAGS = {
  'data-source': { type: 'string', short: 'd' },
  source: { type: 'string', short: 's' },
} as const;

type DataSource = ConstructorParameters<typeof TypeOrmImportSource>[0];

/** `nestjs-mfa export …`; returns the exit code. */
export async function exportCommand(given: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArguments(given, FLAGS);
  const [plan, ...rest] = positionals;
  if (plan === undefined || rest.length > 0) throw new UsageError('export: name one plan file');
  const exported = await importFile(plan, 'export', terminal);
  const mapping = readPlan(exported.default ?? exported);
  const changes = await withDatabase(values['data-source'], terminal, (own) => {
    const work = (from: DataSource): Promise<MfaChangesSinceImport | null> =>
      listChanges({
        mapping,
        source: new TypeOrmImportSource(from),
        tools: importStores(own),
        signal: terminal.interrupted,
      });
    return values.source === undefined ? work(own) : withSourceDatabase(values.source, terminal, work);
  });
  if (changes === null) return EXIT.interrupted;
  terminal.out(`${JSON.stringify(changes, null, 2)}\n`);
  return EXIT.done;
}
