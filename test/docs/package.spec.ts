import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { links, read, root } from './markdown.js';

const { REPOSITORY, isDead, withAbsoluteLinks } = (await import(`${root}scripts/packed-links.mjs`)) as {
  REPOSITORY: string;
  isDead(target: string): boolean;
  withAbsoluteLinks(markdown: string): string;
};
const dist = join(root, 'libs/mfa/dist');

/** Prints an expression of `index` and `testing` of one build. */
function evaluated(format: 'esm' | 'cjs', expression: string): string {
  const files = ['index', 'testing'].map((entry) => JSON.stringify(join(dist, format, `${entry}.js`)));
  const loads =
    format === 'esm' ? files.map((file) => `await import(${file})`) : files.map((file) => `require(${file})`);
  const script = `const [index, testing] = [${loads.join(', ')}]; console.log(${expression});`;
  const args = [`--input-type=${format === 'esm' ? 'module' : 'commonjs'}`, '-e', script];
  return execFileSync(process.execPath, args, { encoding: 'utf8', cwd: root }).trim();
}

/** The names that a file exports, as the compiler sees them. */
function exportsOf(file: string): string[] {
  const program = ts.createProgram([file], { noResolve: true, noLib: true, types: [] });
  const checker = program.getTypeChecker();
  const symbol = checker.getSymbolAtLocation(program.getSourceFile(file)!);
  return checker.getExportsOfModule(symbol!).map(({ name }) => name);
}

describe.each(['esm', 'cjs'] as const)('the testing kit of the %s build', (format) => {
  it('S26 refuses to load when NODE_ENV is production', () => {
    const file = JSON.stringify(join(dist, format, 'testing.js'));
    const script = format === 'esm' ? `await import(${file})` : `require(${file})`;
    const args = [`--input-type=${format === 'esm' ? 'module' : 'commonjs'}`, '-e', script];
    const options = { encoding: 'utf8', cwd: root, stdio: 'pipe' } as const;
    expect(() =>
      execFileSync(process.execPath, args, { ...options, env: { ...process.env, NODE_ENV: 'production' } }),
    ).toThrow(/must not be loaded when NODE_ENV is production/);
    expect(() => execFileSync(process.execPath, args, options)).not.toThrow();
  });
});

describe('the manifest of the package', () => {
  const manifest = JSON.parse(read('libs/mfa/package.json')) as Record<string, never>;

  it('names the repository, with the folder, and where to report a bug', () => {
    expect(manifest.repository).toEqual({ type: 'git', url: `git+${REPOSITORY}.git`, directory: 'libs/mfa' });
    expect(manifest.homepage).toBe(`${REPOSITORY}#readme`);
    expect(manifest.bugs).toEqual({ url: `${REPOSITORY}/issues` });
  });
});

describe('links of the packed pages', () => {
  it.each(['README.md', 'CHANGELOG.md'])('of %s lead to a file of the repository or out of it', (page) => {
    expect(links(withAbsoluteLinks(read(page))).filter(isDead)).toEqual([]);
  });

  it('become absolute outside of code, and those to a missing file are dead', () => {
    const written = withAbsoluteLinks('[a](docs/a.md#b) `[c](d.md)` ![e](docs/e.png) [f](https://x.test) [g](#h)');
    expect(written).toBe(
      `[a](${REPOSITORY}/blob/main/docs/a.md#b) \`[c](d.md)\` ![e](${REPOSITORY}/raw/main/docs/e.png) [f](https://x.test) [g](#h)`,
    );
    expect(links(written).filter(isDead)).toHaveLength(2);
    expect(isDead('docs/performance.md')).toBe(true);
  });
});

describe('the bundles', () => {
  it.each(['esm', 'cjs'] as const)('%s has one class MfaClock for every entry point', (format) => {
    expect(
      evaluated(format, 'index.MfaClock === testing.MfaClock && new testing.FixedClock(1) instanceof index.MfaClock'),
    ).toBe('true');
  });

  it.each(['esm', 'cjs'] as const)('%s keeps the names of classes', (format) => {
    const unnamed =
      'Object.entries(index).filter(([name, each]) => name.startsWith("Mfa") && each.name !== name).length';
    expect(evaluated(format, unnamed)).toBe('0');
  });

  it.each(['esm', 'cjs'] as const)('%s loads no optional peer at start', (format) => {
    const optional =
      /^import .*'(@nestjs\/(schedule|microservices|websockets)|qrcode)'|^(?:let|const|var) .*= require\("(@nestjs\/(schedule|microservices|websockets)|qrcode)"\)/m;
    const files = readdirSync(join(dist, format), { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.js'),
    );
    expect(files.filter((file) => optional.test(read(`libs/mfa/dist/${format}/${file}`)))).toEqual([]);
  });

  it.each(['index', 'migrations', 'openapi', 'testing', 'import'])(
    '%s.d.ts exports what its source exports, in both builds',
    (entry) => {
      const source = exportsOf(join(root, `libs/mfa/src/${entry}.ts`)).toSorted();
      for (const format of ['esm', 'cjs']) {
        expect(exportsOf(join(dist, format, `${entry}.d.ts`)).toSorted()).toEqual(source);
        expect(existsSync(join(dist, format, `${entry}.js`))).toBe(true);
      }
    },
  );
});
