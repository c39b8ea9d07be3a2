import { isAbsolute, join } from 'node:path';
import { HostInitializations } from '../persistence/host-initializations.js';
import { openBareDataSource, openCliDataSource } from '../persistence/cli-data-source.js';
import { importFile, whereItFailed } from './module-file.js';
import { type Terminal, UsageError } from './terminal.js';

type OwnDataSource = Awaited<ReturnType<typeof openCliDataSource>>;
type HostDataSource = Parameters<typeof openCliDataSource>[0];
/** Opens the command's own DataSource on the database of the host's. */
type Open = (host: HostDataSource) => Promise<OwnDataSource>;

/**
 * Does `work` on the database of the host's DataSource file, the one that TypeORM's command line takes too.
 * @throws UsageError; MfaError `MFA_MISCONFIGURED` when the MFA tables are not there
 */
export async function withDatabase<T>(
  path: string | undefined,
  terminal: Terminal,
  work: (own: OwnDataSource) => Promise<T>,
): Promise<T> {
  if (path === undefined) {
    throw new UsageError("No database: give -d <file>, the DataSource file that TypeORM's command line takes");
  }
  const warn = (message: string) => terminal.err(`Warning: ${message}\n`);
  return withOwn({ path, option: '-d', terminal, open: (host) => openCliDataSource(host, { warn }) }, work);
}

/** Does `work` on the database of another DataSource file, which holds no MFA tables. */
export async function withSourceDatabase<T>(
  path: string,
  terminal: Terminal,
  work: (source: OwnDataSource) => Promise<T>,
): Promise<T> {
  return withOwn({ path, option: '--source', terminal, open: (host) => openBareDataSource(host) }, work);
}

interface DataSourceFile {
  path: string;
  /** What an error calls it. */
  option: string;
  terminal: Terminal;
  open: Open;
}

async function withOwn<T>(file: DataSourceFile, work: (own: OwnDataSource) => Promise<T>): Promise<T> {
  const { path, option, terminal, open } = file;
  const initializations = new HostInitializations(isAbsolute(path) ? path : join(terminal.cwd, path));
  try {
    const exported = await importFile(path, option, terminal);
    // The file's own migrations, which may create the tables, come first.
    const failures = await initializations.settled();
    const host = await hostDataSource(exported, file, failures);
    for (const reason of failures) {
      terminal.err(
        `Warning: ${option}: ${path} initializes its DataSource by itself, and that failed: ${messageOf(reason)}. ` +
          'The command goes on with a connection of its own.\n',
      );
    }
    const own = await open(host);
    try {
      return await work(own);
    } finally {
      await initializations.settled();
      await own.destroy();
      await closeHost(host, terminal);
    }
  } finally {
    initializations.stop();
  }
}

/** A file that connects by itself would keep the process alive. What the command did is done, whatever happens here. */
async function closeHost(host: HostDataSource, terminal: Terminal): Promise<void> {
  if (!host.isInitialized) return;
  await host.destroy().catch((reason: unknown) => {
    terminal.err(`Warning: the connection of the DataSource file could not be closed: ${messageOf(reason)}\n`);
  });
}

async function hostDataSource(
  exported: Record<string, unknown>,
  { path, option }: DataSourceFile,
  failures: readonly unknown[],
): Promise<HostDataSource> {
  // The exports of a CommonJS file are in `default`, too.
  const values = [...Object.values(exported), ...Object.values(exported.default ?? {})];
  const results = await Promise.allSettled(values);
  const fulfilled = results.flatMap((each) => (each.status === 'fulfilled' ? [each.value as unknown] : []));
  const sources = new Set(fulfilled.filter(isDataSource));
  const [only] = sources;
  if (only && sources.size === 1) return only;
  const failed = results.find((each) => each.status === 'rejected');
  if (failed && sources.size === 0) {
    // Another error than the database's may quote a secret (S64).
    const reason = failures.includes(failed.reason) ? messageOf(failed.reason) : whereItFailed(failed.reason);
    throw new UsageError(`${option}: the promise that ${path} exports was rejected: ${reason}`);
  }
  throw new UsageError(`${option}: ${path} must export exactly one TypeORM DataSource, and exports ${sources.size}`);
}

/** By its shape: the host's TypeORM may be another copy than ours. */
function isDataSource(value: unknown): value is HostDataSource {
  const candidate = value as Partial<HostDataSource> | null | undefined;
  return typeof candidate?.initialize === 'function' && typeof candidate.options === 'object';
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
