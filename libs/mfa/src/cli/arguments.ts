import { parseArgs, type ParseArgsConfig } from 'node:util';
import { UsageError } from './terminal.js';

/** Flags and positionals of a command. @throws UsageError for a flag that it does not know */
export function readArguments<Flags extends NonNullable<ParseArgsConfig['options']>>(
  given: readonly string[],
  options: Flags,
): ReturnType<typeof parseArgs<{ options: Flags; allowPositionals: true; strict: true }>> {
  try {
    return parseArgs({ args: [...given], options, allowPositionals: true, strict: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
