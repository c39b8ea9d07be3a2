import { open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type Terminal, UsageError } from './terminal.js';

/** Shortest time between two writes of a run that is under way. */
const PAUSE_MS = 1_000;

/** A write of a long report takes a while: at most this part of the run goes into writing. */
const SHARE = 1 / 20;

/**
 * The file of `--report`. It is replaced in one step, so that it holds a whole report at every moment, whenever the
 * process is killed. A run that cannot begin leaves the report of an earlier one as it is.
 */
export class ReportFile {
  private nextAtMs = 0;
  private warned = false;
  private target = '';
  /** `false` for what cannot be replaced, such as a pipe. It is written once, at the end. */
  private replaceable = true;

  constructor(
    private readonly path: string | undefined,
    private readonly terminal: Terminal,
  ) {}

  /** @throws UsageError when the file cannot be written. Leaves nothing behind. */
  async check(): Promise<void> {
    if (this.path === undefined) return;
    const named = isAbsolute(this.path) ? this.path : join(this.terminal.cwd, this.path);
    try {
      const known = await stat(named).catch(() => null);
      this.target = known ? await realpath(named) : named;
      this.replaceable = known === null || known.isFile();
      if (known?.isFile()) await (await open(this.target, 'a')).close();
      if (this.replaceable) await writeFile(this.part, '', { mode: 0o600 }).then(() => rm(this.part));
    } catch (cause) {
      throw new UsageError(`--report: ${this.path} cannot be written`, { cause });
    }
  }

  /** Writes the report of a run that is under way, unless one was just written. */
  async keep(soFar: () => unknown): Promise<void> {
    if (this.path === undefined || !this.replaceable || Date.now() < this.nextAtMs) return;
    const started = Date.now();
    await this.write(soFar());
    this.nextAtMs = Date.now() + Math.max(PAUSE_MS, (Date.now() - started) / SHARE);
  }

  /** Writes the last report. `false`: that failed, and the import is done all the same. */
  async finish(report: unknown): Promise<boolean> {
    return this.path === undefined || this.write(report);
  }

  private get part(): string {
    return `${this.target}.part`;
  }

  private async write(report: unknown): Promise<boolean> {
    const text = `${JSON.stringify(report, null, 2)}\n`;
    try {
      await writeFile(this.replaceable ? this.part : this.target, text, { mode: 0o600 });
      if (this.replaceable) await rename(this.part, this.target);
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!this.warned) this.terminal.err(`Warning: --report: ${this.path} cannot be written any more: ${reason}\n`);
      this.warned = true;
      return false;
    }
  }
}
