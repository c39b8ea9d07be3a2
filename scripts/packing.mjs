/** Shared by the scripts that check the package as its users get it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** An empty folder outside the repository, where nothing resolves by accident. */
export const emptyFolder = (name) => mkdtempSync(join(tmpdir(), `nestjs-mfa-${name}-`));

/** Runs a command and answers `{ code, output }`, standard error included; throws only if it cannot start. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.once('error', reject).once('close', (code) => resolve({ code, output }));
  });
}

/** The same, but a failure is an error that carries the output. */
export async function must(command, args, options) {
  const { code, output } = await run(command, args, options);
  if (code !== 0) throw new Error(`\`${command} ${args.join(' ')}\` failed (${code}):\n${output}`);
  return output;
}

/** Builds and packs the library; answers the tarball's path. */
export async function packLibrary(folder) {
  await must('npm', ['pack', '--workspace', 'libs/mfa', '--pack-destination', folder], { cwd: root });
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz')),
  );
}
