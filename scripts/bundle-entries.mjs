/**
 * One file for each entry point, and in `shared/` what several entry points use. A package of few files starts faster
 * (Node's ESM loader takes half a millisecond for every file) and hides the modules that are not public.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rolldown } from 'rolldown';
import { parseAst } from 'rolldown/parseAst';

/** tsc writes its helpers into every file. The build turns that off, and this module holds them once. */
const HELPERS = `
export function __decorate(decorators, target, key, given) {
  const ofClass = arguments.length < 3;
  const descriptor = given === null ? Object.getOwnPropertyDescriptor(target, key) : given;
  let result = ofClass ? target : descriptor;
  if (typeof Reflect === 'object' && typeof Reflect.decorate === 'function') {
    result = ofClass ? Reflect.decorate(decorators, target) : Reflect.decorate(decorators, target, key, descriptor);
  } else {
    for (const decorate of decorators.toReversed()) {
      result = (ofClass ? decorate(result) : decorate(target, key, result)) || result;
    }
  }
  if (!ofClass && result) Object.defineProperty(target, key, result);
  return result;
}
export function __metadata(key, value) {
  if (typeof Reflect === 'object' && typeof Reflect.metadata === 'function') return Reflect.metadata(key, value);
}
export function __param(index, decorate) {
  return (target, key) => decorate(target, key, index);
}
`;

/** Reads what tsc wrote. The maps then lead to the sources; the import is on the first line, so that they stay true. */
const compiledModules = {
  name: 'compiled-modules',
  resolveId: (id) => (id === 'tsc-helpers' ? '\0tsc-helpers' : null),
  load(id) {
    if (id === '\0tsc-helpers') return HELPERS;
    const code = readFileSync(id, 'utf8');
    const used = ['__decorate', '__metadata', '__param'].filter((name) => code.includes(`${name}(`));
    const helpers = used.length > 0 ? `import { ${used.join(', ')} } from 'tsc-helpers';` : '';
    const map = existsSync(`${id}.map`) ? JSON.parse(readFileSync(`${id}.map`, 'utf8')) : undefined;
    // Also what is imported for its effect alone: the check of NODE_ENV in the testing kit (S26).
    return { code: helpers + code, map, moduleSideEffects: true };
  },
};

/**
 * Puts the compiled ES modules of `from` into one file for each of `entries` in the folder `to`.
 * @param format `'esm'` or `'cjs'`
 */
export async function bundleEntries({ from, to, entries, format, sourcemap = false }) {
  const bundle = await rolldown({
    input: entries.map((entry) => join(from, `${entry}.js`)),
    external: /^(?!tsc-helpers$)[^./\0]/, // packages
    platform: 'node',
    treeshake: { moduleSideEffects: true },
    plugins: [compiledModules],
    experimental: { attachDebugInfo: 'none' },
  });
  const { output } = await bundle.generate({
    dir: to,
    format,
    sourcemap,
    chunkFileNames: 'shared/[name].js',
    dynamicImportInCjs: false, // Jest's CommonJS has no `import()`
    comments: { jsdoc: false }, // they are in the declarations
  });
  await bundle.close();
  requireClassNames(output);
  for (const { fileName, code, source } of output) {
    const file = join(to, fileName);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code === undefined ? source : sourcemap ? code : withoutIndentation(code));
  }
}

/** Indentation is a twentieth of the package. Line breaks stay, so that a stack trace leads to one statement. */
function withoutIndentation(code) {
  const templates = [];
  const visit = (node) => {
    if (typeof node !== 'object' || node === null) return;
    if (node.type === 'TemplateElement') templates.push([node.start, node.end]);
    for (const child of Array.isArray(node) ? node : Object.values(node)) visit(child);
  };
  visit(parseAst(code).body);
  const isText = (offset) => templates.some(([start, end]) => start <= offset && offset < end);
  return code.replaceAll(/^\t+/gm, (tabs, offset) => (isText(offset) ? tabs : ''));
}

/** Nest and TypeORM read the names of classes. Two classes of one name would be told apart by a suffix. */
function requireClassNames(output) {
  const renamed = output.flatMap(({ code }) => code?.match(/\bclass \w+\$\d+/g) ?? []);
  if (renamed.length > 0) throw new Error(`two classes have one name: ${renamed.join(', ')}`);
}
