/** What a command sees of the world; a test gives its own. */
export interface Terminal {
  /** Results. */
  out(text: string): void;
  /** Progress and problems. */
  err(text: string): void;
  /** Whether `err` is a terminal that a line can be drawn over. */
  interactive: boolean;
  env: Readonly<Record<string, string | undefined>>;
  /** Where relative paths begin. */
  cwd: string;
  /** Aborted by Ctrl-C: finish the batch and stop. */
  interrupted: AbortSignal;
}

/** Exit codes, as scripts rely on them. */
export const EXIT = {
  done: 0,
  /** Rows remain, or did not open, or were skipped for bad data. */
  incomplete: 1,
  /** Wrong arguments, keys, plan or database: nothing was written. */
  misused: 2,
  /** 128 + SIGINT. */
  interrupted: 130,
} as const;

/** What the caller did wrong, with the remedy. */
export class UsageError extends Error {}
