/** A commit in a temporary worktree, built with the packages that are installed here. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const git = (...args) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim();

/** `{ commit, servers, remove() }`; `servers` is the folder of its benchmark's servers, which load its library. */
export function openCheckout(revision) {
  const commit = git('rev-parse', '--short', `${revision}^{commit}`);
  const folder = mkdtempSync(join(tmpdir(), 'nestjs-mfa-bench-against-'));
  const remove = () => {
    rmSync(folder, { recursive: true, force: true });
    git('worktree', 'prune');
  };
  try {
    git('worktree', 'add', '--detach', folder, commit);
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    linkPackages(join(root, 'bench/node_modules'), join(folder, 'bench/node_modules'));
    const install = `import('./bench/library.mjs').then(({ installLibrary }) => installLibrary())`;
    execFileSync(process.execPath, ['-e', install], { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    return { commit, servers: join(folder, 'bench/servers'), remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** All but the library, of which each checkout has its own build. */
function linkPackages(from, to) {
  mkdirSync(to);
  for (const name of readdirSync(from)) if (name !== 'nestjs-mfa') symlinkSync(join(from, name), join(to, name));
}
