/**
 * One declaration file for each entry point, with what the entry point exports and what that refers to. Other modules'
 * declarations do not get into the package. Understands the declarations that tsc writes for this library: named
 * exports only, and names that are unique.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

/** Writes `to/<entry>.d.ts` from the declarations in `from`. What `index` exports, the others take from there. */
export function bundleDeclarations({ from, to, entries }) {
  const modules = new ModuleCache();
  const [index, ...others] = entries.map((entry) => ({ entry, path: join(from, `${entry}.d.ts`) }));
  const shared = modules.exportsOf(index.path);
  const write = (entry, text) => writeFileSync(join(to, `${entry}.d.ts`), withoutIndentation(text));
  write('index', bundled(modules, index.path, new Map()));
  for (const { entry, path } of others) write(entry, bundled(modules, path, shared));
}

/** Editors lay out what they show. Examples keep their indentation, because it comes after the `*`. */
const withoutIndentation = (text) => text.replaceAll(/^ +/gm, '');

function bundled(modules, path, shared) {
  const exported = modules.exportsOf(path);
  const collected = collect(modules, exported, shared);
  const lines = [
    ...[...collected.external]
      .sort()
      .map(([from, names]) => `import { ${[...names].sort().join(', ')} } from '${from}';`),
    ...sharedImport([...collected.shared], exported),
    ...collected.declarations.map((each) => textOf(each, exported.has(each.name))),
    'export {};',
  ];
  return `${lines.join('\n')}\n`;
}

function sharedImport(names, exported) {
  if (names.length === 0) return [];
  const again = names.filter((name) => exported.has(name));
  return [
    `import { ${names.join(', ')} } from './index.js';`,
    ...(again.length > 0 ? [`export { ${again.join(', ')} };`] : []),
  ];
}

/** Everything that the exports refer to, and the declarations in the order in which they were found. */
function collect(modules, exported, shared) {
  const found = { external: new Map(), shared: new Set(), declarations: [] };
  const seen = new Map();
  const isPublicIn = (path) => (name) => {
    const target = modules.resolve(path, name);
    return !target || target.external !== undefined || exported.has(name) || shared.has(name);
  };
  const visit = ({ path, name, external }) => {
    if (external) return addExternal(found.external, external, name);
    if (shared.get(name)?.path === path) return found.shared.add(name);
    if (seen.has(name)) return requireSame(name, seen.get(name), path);
    seen.set(name, path);
    for (const statement of modules.load(path).declarations.get(name)) {
      const dropped = exported.has(name) ? internalConstructor(statement, isPublicIn(path)) : undefined;
      found.declarations.push({ name, statement, dropped });
      for (const used of identifiersOf(statement, dropped)) {
        const target = modules.resolve(path, used);
        if (target) visit(target);
      }
    }
  };
  for (const target of exported.values()) visit(target);
  return found;
}

function requireSame(name, path, other) {
  if (path !== other) throw new Error(`${name} is declared in ${path} and in ${other}: rename one of them`);
}

function addExternal(external, from, name) {
  if (!external.has(from)) external.set(from, new Set());
  external.get(from).add(name);
}

/**
 * The constructor of a class whose parameters have types that nobody outside the library can name. Only Nest calls it, and
 * it would bring half of the library's declarations into the package.
 */
function internalConstructor(statement, isPublic) {
  if (!ts.isClassDeclaration(statement)) return undefined;
  const constructor = statement.members.find(ts.isConstructorDeclaration);
  return constructor && [...identifiersOf(constructor)].every(isPublic) ? undefined : constructor;
}

/** Names that a declaration uses. Names of its members are among them, which at worst finds too much. */
function identifiersOf(statement, dropped) {
  const names = new Set();
  const visit = (node) => {
    if (node === dropped) return;
    if (ts.isIdentifier(node)) names.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(statement);
  return names;
}

/** The declaration with its docstring, exported or not, and without the dropped constructor. */
function textOf({ statement, dropped }, isExported) {
  const { text } = statement.getSourceFile();
  const start = statement.getStart(); // after the docstring
  const comments = text.slice(statement.getFullStart(), start).trimStart();
  const [from, to] = dropped ? [dropped.getFullStart(), dropped.getEnd()] : [start, start];
  const code = text.slice(start, from) + text.slice(to, statement.getEnd());
  return `${comments}${isExported ? 'export ' : ''}${code.replace(/^export /, '')}`;
}

/** The declaration files of a build: what each declares, imports and exports again. */
class ModuleCache {
  #modules = new Map();

  load(path) {
    if (!this.#modules.has(path)) this.#modules.set(path, parse(path));
    return this.#modules.get(path);
  }

  /** Where a name of a module is declared: `{ path, name }`, or `{ external, name }` of a package; else `null`. */
  resolve(path, name) {
    const { declarations, imports, reexports } = this.load(path);
    if (declarations.has(name)) return { path, name };
    const from = imports.get(name) ?? reexports.get(name);
    if (!from) return null;
    if (!from.module.startsWith('.')) return { external: from.module, name: from.name };
    return this.resolve(join(dirname(path), from.module.replace(/\.js$/, '.d.ts')), from.name);
  }

  exportsOf(path) {
    const { exported, reexports } = this.load(path);
    return new Map([...exported, ...reexports.keys()].map((name) => [name, this.resolve(path, name)]));
  }
}

function parse(path) {
  const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true);
  const found = { declarations: new Map(), imports: new Map(), reexports: new Map(), exported: new Set() };
  for (const statement of file.statements) read(statement, found, path);
  return found;
}

function read(statement, found, path) {
  if (ts.isImportDeclaration(statement)) {
    for (const { local, name } of namesOf(statement.importClause?.namedBindings, path)) {
      found.imports.set(local, { module: statement.moduleSpecifier.text, name });
    }
  } else if (ts.isExportDeclaration(statement)) {
    const module = statement.moduleSpecifier?.text;
    for (const { local, name } of namesOf(statement.exportClause, path)) {
      if (module) found.reexports.set(local, { module, name });
      else found.exported.add(name);
    }
  } else {
    for (const name of declaredBy(statement)) {
      found.declarations.set(name, [...(found.declarations.get(name) ?? []), statement]);
      if (statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) found.exported.add(name);
    }
  }
}

function namesOf(bindings, path) {
  if (bindings === undefined) return [];
  if (!ts.isNamedImports(bindings) && !ts.isNamedExports(bindings))
    throw new Error(`${path}: only named imports and exports`);
  return bindings.elements.map(({ propertyName, name }) => {
    if (propertyName) throw new Error(`${path}: ${propertyName.text} is renamed to ${name.text}`);
    return { local: name.text, name: name.text };
  });
}

function declaredBy(statement) {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.text);
  return statement.name ? [statement.name.text] : [];
}
