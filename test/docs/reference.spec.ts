import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as library from 'nestjs-mfa';
import { EXPORT_USAGE } from '../../libs/mfa/src/cli/export.command.js';
import { IMPORT_USAGE } from '../../libs/mfa/src/cli/import.command.js';
import { KEYS_USAGE } from '../../libs/mfa/src/cli/keys.command.js';
import { read, root, tableRows } from './markdown.js';

const page = (name: string) => read(`docs/reference/${name}.md`);
const code = (cell = '') => /`([^`]+)`/.exec(cell)?.[1] ?? '';
/** First cells of the table below a heading, without the one of the header. */
const firstCells = (text: string) => tableRows(text).map(([first]) => code(first));
const section = (text: string, heading: string) =>
  text.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? '';

const entryPoints = ['index', 'testing'].map((name) => `${root}libs/mfa/src/${name}.ts`);
const program = ts.createProgram(entryPoints, {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  experimentalDecorators: true,
  strict: true,
  types: ['node'],
});
const checker = program.getTypeChecker();
const [exported, testingKit] = entryPoints.map((path) => {
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path)!)!);
  return new Map(
    symbols.map((each) => [each.name, each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each]),
  );
}) as [Map<string, ts.Symbol>, Map<string, ts.Symbol>];
const typeOf = (name: string) => checker.getDeclaredTypeOfSymbol((exported.get(name) ?? testingKit.get(name))!);

/** Methods that Nest calls, not the application. */
const HOOKS = ['onModuleInit', 'onModuleDestroy', 'onApplicationBootstrap'];

/** The name of a parameter, or its properties. One whose properties are not all listed is `options`. */
const nameOf = ({ name }: ts.ParameterDeclaration) => (/\.\.\./.test(name.getText()) ? 'options' : name.getText());

/** Public methods of a class as `name(a, b)`, with the codes that its docstring says it throws. */
function methodsOf(name: string) {
  const members = typeOf(name)
    .getProperties()
    .filter(({ flags }) => flags & ts.SymbolFlags.Method);
  return members.flatMap((member) => {
    const declaration = member.valueDeclaration as ts.MethodDeclaration;
    if (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Private || HOOKS.includes(member.name)) return [];
    const parameters = declaration.parameters.map(nameOf).join(', ');
    const thrown = ts.getJSDocTags(declaration).filter(({ tagName }) => tagName.text === 'throws');
    const text = thrown.map(({ comment }) => ts.getTextOfJSDocComment(comment)).join(' ');
    return [{ signature: `${member.name}(${parameters})`, codes: text.match(/MFA_[A-Z_]+/g) ?? [] }];
  });
}

const services = [...exported.keys()].filter((name) => name.endsWith('Service'));

describe('docs/reference/services.md', () => {
  it('has a section for every service', () => {
    const headings = [...page('services').matchAll(/^## (\w+Service)$/gm)].map(([, name]) => name);
    expect(headings.toSorted()).toEqual(services.toSorted());
  });

  it.each(services)('lists every method of %s, with its parameters and the codes that it throws', (name) => {
    const rows = tableRows(section(page('services'), name)).filter(([first]) => code(first).includes('('));
    const methods = methodsOf(name);
    expect(rows.map(([first]) => code(first)).toSorted()).toEqual(methods.map(({ signature }) => signature).toSorted());
    const unnamed = methods.flatMap(({ signature, codes }) => {
      const row = rows.find(([first]) => code(first) === signature)!.join(' ');
      return codes.filter((each) => !row.includes(each)).map((each) => `${signature}: ${each}`);
    });
    expect(unnamed).toEqual([]);
  });

  it('lists the options of issue()', () => {
    const [, options = ''] = section(page('services'), 'MfaChallengeService').split('Options of `issue()`:');
    expect(firstCells(options).filter(Boolean).toSorted()).toEqual(propertiesOf('MfaIssueOptions'));
  });

  it('lists the properties of an export of a user', () => {
    const row = tableRows(page('services'))
      .find(([first]) => code(first) === 'exportUser(userId)')!
      .join(' ');
    const [, listed = ''] = /`\{ (userId, [^}]+) \}`/.exec(row) ?? [];
    expect(listed.split(', ')).toEqual(propertiesOf('MfaUserExport', true));
  });

  it('lists every other value that the package exports', () => {
    const documented = [...page('services'), ...page('decorators')].join('');
    expect(Object.keys(library).filter((name) => !documented.includes(name))).toEqual([]);
  });
});

function propertiesOf(name: string, inOrder = false): string[] {
  const names = typeOf(name)
    .getProperties()
    .map((each) => each.name);
  return inOrder ? names : names.toSorted();
}

describe('docs/reference/mfa-host.md', () => {
  it('lists every method of MfaHost, and those that are required', () => {
    const [intro = ''] = page('mfa-host').split(/^## /m);
    const rows = tableRows(intro).slice(1);
    const methods = (typeOf('MfaHost').getProperties() as ts.Symbol[]).map((each) => {
      const declaration = each.valueDeclaration as ts.MethodDeclaration;
      return `${each.name}(${declaration.parameters.map(({ name }) => name.getText()).join(', ')})`;
    });
    expect(rows.map(([first]) => code(first)).toSorted()).toEqual(methods.toSorted());
    const required = typeOf('MfaHost')
      .getProperties()
      .filter(({ flags }) => !(flags & ts.SymbolFlags.Optional));
    const yes = rows.filter(([, needed]) => needed === 'yes').map(([first]) => code(first).split('(')[0]);
    expect(yes).toEqual(required.map(({ name }) => name));
  });

  it.each(['MfaPrincipal', 'MfaLogin', 'MfaStepUp', 'MfaPolicy', 'MfaChange'])('lists every property of %s', (name) => {
    const rows = tableRows(section(page('mfa-host'), name)).slice(1);
    expect(rows.map(([first]) => code(first)).toSorted()).toEqual(propertiesOf(name));
  });
});

describe('docs/reference/events.md', () => {
  const types = (typeOf('MfaEvent') as ts.UnionType).types;
  const base = ['type', 'userId', 'at', 'actor', 'reason', 'requestId', 'ip', 'userAgent'];
  const literals = (type: ts.Type) =>
    (type.isUnion() ? type.types : [type]).map((each) => (each as ts.StringLiteralType).value);
  const rows = tableRows(page('events')).filter(([first]) => code(first).startsWith('mfa.'));

  it('lists the properties of every event', () => {
    const common = types.map((each) => new Set(each.getProperties().map(({ name }) => name)));
    const shared = [...common[0]!].filter((name) => common.every((names) => names.has(name)));
    expect(shared.toSorted()).toEqual(base.toSorted());
    expect(firstCells(page('events'))).toEqual(expect.arrayContaining(base));
  });

  it('lists every type with its properties, and no other', () => {
    const declared = types.map((each) => {
      const [type] = literals(checker.getTypeOfSymbol(each.getProperty('type')!));
      const own = each.getProperties().filter(({ name }) => !base.includes(name));
      return [type, ...own.map(({ name, flags }) => `${name}${flags & ts.SymbolFlags.Optional ? '?' : ''}`)].join(' ');
    });
    const written = rows.map(([type, , more = '']) =>
      [code(type), ...more.matchAll(/`([^`]+)`/g)].map((each) => (typeof each === 'string' ? each : each[1])).join(' '),
    );
    expect(written.toSorted()).toEqual(declared.toSorted());
  });

  it('has the table that the types and their comments make', async () => {
    const { rendered } = (await import(`${root}scripts/events-table.mjs`)) as { rendered: (page: string) => string };
    expect(page('events'), 'run: node scripts/events-table.mjs --write').toBe(rendered(page('events')));
  });

  it('has in bold the types that call revokeSessions', () => {
    const bold = rows.filter(([type = '']) => type.startsWith('**')).map(([type]) => code(type));
    expect(bold.toSorted()).toEqual(literals(typeOf('MfaChangeType')).toSorted());
  });

  it('lists every failure', () => {
    const [, table = ''] = page('events').split('It is never in a response.');
    const failures = literals(typeOf('MfaFailureReason'));
    expect(
      firstCells(table)
        .filter((each) => each !== 'failure' && each !== '')
        .toSorted(),
    ).toEqual(failures.toSorted());
  });
});

describe('docs/reference/decorators.md', () => {
  it('lists every decorator that the package exports', () => {
    const returnsDecorator = [...exported].filter(([, symbol]) => {
      const declaration = symbol.valueDeclaration;
      if (!declaration) return false;
      const [signature] = checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures();
      return signature && /Decorator/.test(checker.typeToString(signature.getReturnType()));
    });
    const written = firstCells(page('decorators')).flatMap((each) => /^@(\w+)\(/.exec(each)?.[1] ?? []);
    expect([...new Set(written)].toSorted()).toEqual(returnsDecorator.map(([name]) => name).toSorted());
  });

  it('lists the options of RequireMfa', () => {
    const [, table = ''] = page('decorators').split('Options of `@RequireMfa()`:');
    expect(firstCells(table).filter(Boolean)).toEqual(propertiesOf('RequireMfaOptions', true));
  });
});

describe('docs/reference/command-line.md', () => {
  it.each([
    ['keys', KEYS_USAGE],
    ['import', IMPORT_USAGE],
    ['export', EXPORT_USAGE],
  ])('has the help text of `nestjs-mfa %s`', (name, usage) => {
    expect(section(page('command-line'), `nestjs-mfa ${name}`)).toContain(`\`\`\`text\n${usage}\n\`\`\``);
  });
});

describe('docs/guides/testing.md', () => {
  const passkeys = section(read('docs/guides/testing.md'), 'Test passkeys');
  const [, settings = '', errors = '', faults = ''] = passkeys.split(/^\| (?=Call|Setting|Name|Fault)/m).slice(1);

  it('lists the methods and the settings of VirtualPasskey', () => {
    const calls = methodsOf('VirtualPasskey').map(({ signature }) => signature.split('(')[0]);
    expect(firstCells(passkeys).flatMap((each) => /^(\w+)\(/.exec(each)?.[1] ?? [])).toEqual(calls);
    expect(firstCells(settings).filter(Boolean)).toEqual(propertiesOf('VirtualPasskeySettings', true));
  });

  it('lists the errors that the docstrings of VirtualPasskey name', () => {
    const source = read('libs/mfa/src/testing/virtual-passkey.ts');
    const named = [...new Set(source.match(/`\w+Error`/g))].map(code).toSorted();
    expect(firstCells(errors).filter(Boolean)).toEqual(named);
  });

  it('lists every fault of VirtualPasskey', () => {
    const both = ['VirtualPasskeyCreateFaults', 'VirtualPasskeyGetFaults'].flatMap((each) => propertiesOf(each));
    expect(firstCells(faults).filter(Boolean).toSorted()).toEqual([...new Set(both)].toSorted());
  });
});
