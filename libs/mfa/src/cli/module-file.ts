import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Terminal, UsageError } from './terminal.js';

/** The exports of a JavaScript (or JSON) file that the caller named; `option` is what an error calls it. */
export async function importFile(path: string, option: string, { cwd }: Terminal): Promise<Record<string, unknown>> {
  const file = isAbsolute(path) ? path : join(cwd, path);
  if (!existsSync(file)) throw new UsageError(`${option}: the file ${path} does not exist`);
  const attributes = file.endsWith('.json') ? { with: { type: 'json' } } : undefined;
  try {
    return (await import(pathToFileURL(file).href, attributes)) as Record<string, unknown>;
  } catch (cause) {
    const reason = whereItFailed(cause);
    const remedy = /\.[cm]?ts$/.test(file)
      ? '. Name the compiled file, or run with a loader: node --import tsx node_modules/.bin/nestjs-mfa …'
      : '';
    throw new UsageError(`${option}: ${path} could not be loaded: ${reason}${remedy}`);
  }
}

/** The name and the line of an error. Its message may quote a secret whose quotes were forgotten. */
// S64
export function whereItFailed(cause: unknown): string {
  if (!(cause instanceof Error)) return 'it threw a value that is not an Error';
  const [, line] = /\.(?:[cm]?[jt]s|json):(\d+)/.exec(cause.stack?.replace(cause.message, '') ?? '') ?? [];
  return line === undefined ? cause.name : `${cause.name} in line ${line}`;
}
