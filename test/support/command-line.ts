import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../../libs/mfa/src/cli/run.js';
import type { TestDatabase } from './databases.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** The built command line. */
export const CLI = join(root, 'libs/mfa/dist/esm/cli.js');

export interface CommandResult {
  code: number | null;
  out: string;
  err: string;
}

/** A host's folder, in which its DataSource file and other modules are found. */
export class HostFolder {
  // Within the repository, where the host's dependencies are found.
  readonly path: string;

  constructor() {
    mkdirSync(join(root, '.data'), { recursive: true });
    this.path = mkdtempSync(join(root, '.data/cli-'));
  }

  /** Writes a file; answers its name. */
  write(name: string, text: string): string {
    mkdirSync(dirname(join(this.path, name)), { recursive: true });
    writeFileSync(join(this.path, name), text);
    return name;
  }

  /** The DataSource file of a database, as a host has it for TypeORM's command line; answers its name. */
  writeDataSource({ options }: Pick<TestDatabase, 'options'>, name = 'data-source.mjs'): string {
    const { driver, ...rest } = options as unknown as Record<string, unknown>;
    const more = driver === undefined ? '' : ', driver: Libsql';
    return this.write(
      name,
      `import Libsql from 'libsql';
       import { DataSource } from 'typeorm';
       export default new DataSource({ ...${JSON.stringify(rest)}${more} });`,
    );
  }

  /** Runs `nestjs-mfa …` here. `onProgress` sees what it says meanwhile, and may interrupt it as Ctrl-C does. */
  async run(
    given: readonly string[],
    {
      env = {},
      onProgress,
    }: {
      env?: Record<string, string>;
      onProgress?: (err: string, interrupt: () => void, kill: () => void) => void;
    } = {},
  ): Promise<CommandResult> {
    const inherited = { ...process.env, MFA_KEYS: '' };
    const child = spawn(process.execPath, [CLI, ...given], { cwd: this.path, env: { ...inherited, ...env } });
    let out = '';
    let err = '';
    child.stdout.on('data', (text: Buffer) => (out += text.toString()));
    child.stderr.on('data', (text: Buffer) => {
      err += text.toString();
      onProgress?.(
        err,
        () => child.kill('SIGINT'),
        () => child.kill('SIGKILL'),
      );
    });
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, out, err };
  }

  /** The same of the sources, in this process: quicker, and without signals. */
  async runHere(given: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
    let out = '';
    let err = '';
    const code = await run(given, {
      out: (text) => void (out += text),
      err: (text) => void (err += text),
      interactive: false,
      env,
      cwd: this.path,
      interrupted: new AbortController().signal,
    });
    return { code, out, err };
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
