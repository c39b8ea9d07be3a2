import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The linter needs types for the rules that matter most here; where it cannot load them it would be silent. */
describe('the linter', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lint-'));
    cpSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
    // The files that are named one by one are not in this folder.
    const tsconfig = readFileSync(join(root, 'tsconfig.json'), 'utf8').replace(/^ *"files": .*\n/m, '');
    writeFileSync(join(folder, 'tsconfig.json'), tsconfig);
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** What `npm run lint` says about this source. */
  const lint = (source: string) =>
    new Promise<{ code: unknown; output: string }>((resolve) => {
      writeFileSync(join(folder, 'planted.config.ts'), source);
      const cli = join(root, 'node_modules/oxlint/bin/oxlint');
      execFile(
        process.execPath,
        [cli, '-c', '.oxlintrc.json', '--type-aware', '--deny-warnings', 'planted.config.ts'],
        { cwd: folder },
        (error, stdout, stderr) => resolve({ code: error?.code ?? 0, output: stdout + stderr }),
      );
    });

  it('accepts correct code', async () => {
    expect(await lint('export const wait = async () => {};\nawait wait();\n')).toMatchObject({ code: 0 });
  });

  it.each([
    ['no-floating-promises', 'const wait = async () => {};\nwait();\n'],
    ['no-misused-promises', 'const wait = async () => true;\nexport const yes = wait() ? 1 : 2;\n'],
    ['no-explicit-any', 'export const anything: any = 1;\n'],
    ['no-unused-vars', 'const nobody = 1;\nexport {};\n'],
  ])('finds %s', async (rule, source) => {
    expect(await lint(source)).toMatchObject({ code: 1, output: expect.stringContaining(rule) });
  });
});
