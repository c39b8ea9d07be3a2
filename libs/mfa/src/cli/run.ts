import { isMfaError } from '../domain/mfa-error.js';
import { EXPORT_USAGE, exportCommand } from './export.command.js';
import { IMPORT_USAGE, importCommand } from './import.command.js';
import { KEYS_USAGE, keysCommand } from './keys.command.js';
import { EXIT, type Terminal, UsageError } from './terminal.js';

type Command = (given: readonly string[], terminal: Terminal) => Promise<number>;

const COMMANDS: Readonly<Record<string, { run: Command; usage: string }>> = {
  keys: { run: keysCommand, usage: KEYS_USAGE },
  import: { run: importCommand, usage: IMPORT_USAGE },
  export: { run: exportCommand, usage: EXPORT_USAGE },
};

const usage = () =>
  `${Object.values(COMMANDS)
    .map((command) => command.usage)
    .join('\n\n')}\n`;

/** Runs one command line (without `node` and the script); returns the exit code and never throws. */
export async function run(given: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '', ...rest] = given;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (given.includes('--help') || given.includes('-h') || name === 'help') {
    terminal.out(command ? `${command.usage}\n` : usage());
    return EXIT.done;
  }
  if (!command) {
    terminal.err(`${name ? `There is no command "${name}".\n\n` : ''}${usage()}`);
    return EXIT.misused;
  }
  try {
    return await command.run(rest, terminal);
  } catch (error) {
    terminal.err(`${describe(error)}\n`);
    return isMisuse(error) ? EXIT.misused : EXIT.incomplete;
  }
}

/** Found before anything was written; whatever else fails may have failed half-way. */
function isMisuse(error: unknown): boolean {
  if (error instanceof UsageError) return true;
  return isMfaError(error) && (error.code === 'MFA_MISCONFIGURED' || error.code === 'MFA_BAD_REQUEST');
}

/** Errors of the library and of the caller are one sentence. Anything else is a defect, or the database's, and has its stack. */
function describe(error: unknown): string {
  if (isMfaError(error) && error.code === 'MFA_BUSY') return `The database cannot be used: ${messageOf(error.cause)}`;
  if (error instanceof UsageError || isMfaError(error)) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'it did not respond in time';
}
