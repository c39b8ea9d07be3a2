import { openBareDataSource, openOwnDataSource } from '../persistence/own-data-source.js';
import { importFile } from './module-file.js';
import { type Terminal, UsageError } from './terminal.js';

type OwnDataSource = Awaited<ReturnType<typeof openOwnDataSource>>;
type HostDataSource = Parameters<typeof openOwnDataSource>[0];

/**
 * Does `work` on the database of the host's DataSource file, the one that TypeORM's command line takes too.
 * @throws UsageError; MfaError `MFA_MISCONFIGURED` when the MFA tables are not there
 */
export async function withDatabase<T>(
  path: string | undefined,
  terminal: Terminal,
  work: (own: OwnDataSource, host: HostDataSource) => Promise<T>,
): Promise<T> {
  if (path === undefined) {
    throw new UsageError("No database: give -d <file>, the DataSource file that TypeORM's command line takes");
  }
  const host = await hostDataSource(path, '-d', terminal);
  const own = await openOwnDataSource(host, { warn: (message) => terminal.err(`Warning: ${message}\n`) });
  try {
    return await work(own, host);
  } finally {
    await own.destroy();
    // A file that connects by itself would keep the process alive.
    if (host.isInitialized) await host.destroy();
  }
}

/** Does `work` on the database of another DataSource file, which holds no MFA tables. */
export async function withSourceDatabase<T>(
  path: string,
  terminal: Terminal,
  work: (source: OwnDataSource) => Promise<T>,
): Promise<T> {
  const host = await hostDataSource(path, '--source', terminal);
  const source = await openBareDataSource(host);
  try {
    return await work(source);
  } finally {
    await source.destroy();
    if (host.isInitialized) await host.destroy();
  }
}

async function hostDataSource(path: string, option: string, terminal: Terminal): Promise<HostDataSource> {
  const exported = await importFile(path, option, terminal);
  // A CommonJS file's exports stand in `default`, too.
  const values = [...Object.values(exported), ...Object.values(exported.default ?? {})];
  const sources = new Set((await Promise.all(values)).filter(isDataSource));
  const [only] = sources;
  if (only && sources.size === 1) return only;
  throw new UsageError(`${option}: ${path} must export exactly one TypeORM DataSource, and exports ${sources.size}`);
}

/** By its shape: the host's TypeORM may be another copy than ours. */
function isDataSource(value: unknown): value is HostDataSource {
  const candidate = value as Partial<HostDataSource> | null | undefined;
  return typeof candidate?.initialize === 'function' && typeof candidate.options === 'object';
}
