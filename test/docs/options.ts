import ts from 'typescript';
import { read } from './markdown.js';

const SOURCES = [
  'libs/mfa/src/options/mfa-options.ts',
  'libs/mfa/src/host/mfa-policy.ts',
  'libs/mfa/src/domain/secrets/key-ring.ts',
];

export interface DocumentedOption {
  /** As `cleanup.tables[].entity`. */
  name: string;
  /** What its docstring says, where that is a value and no sentence. */
  defaultValue: string | undefined;
}

const interfaces = new Map<string, ts.InterfaceDeclaration>();
for (const path of SOURCES) {
  const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.ES2022, true);
  for (const statement of file.statements) {
    if (ts.isInterfaceDeclaration(statement)) interfaces.set(statement.name.text, statement);
  }
}

/** Every option of an interface of options, nested ones included, as its source declares them. */
export function optionsOf(name: string): DocumentedOption[] {
  const declaration = interfaces.get(name);
  if (!declaration) throw new Error(`no interface ${name} in ${SOURCES.join(', ')}`);
  return members(declaration.members, '');
}

function members(nodes: ts.NodeArray<ts.TypeElement>, prefix: string): DocumentedOption[] {
  return nodes.filter(ts.isPropertySignature).flatMap((property) => {
    const name = prefix + property.name.getText();
    const nested = property.type ? nestedIn(property.type, name) : [];
    // A bare group such as `totp` is described by what is in it.
    const group = nested.length > 0 && ts.getJSDocCommentsAndTags(property).length === 0;
    return group ? nested : [{ name, defaultValue: defaultOf(property) }, ...nested];
  });
}

function nestedIn(type: ts.TypeNode, name: string): DocumentedOption[] {
  if (ts.isUnionTypeNode(type)) return type.types.flatMap((each) => nestedIn(each, name));
  if (ts.isTypeOperatorNode(type)) return nestedIn(type.type, name);
  if (ts.isArrayTypeNode(type)) return nestedIn(type.elementType, `${name}[]`);
  if (ts.isTypeLiteralNode(type)) return members(type.members, `${name}.`);
  const known = ts.isTypeReferenceNode(type) && interfaces.get(type.typeName.getText());
  return known ? members(known.members, `${name}.`) : [];
}

function defaultOf(property: ts.PropertySignature): string | undefined {
  const [tag] = ts.getJSDocTags(property).filter(({ tagName }) => tagName.text === 'default');
  const text = tag && ts.getTextOfJSDocComment(tag.comment)?.trim();
  return text && /^('[^']*'|\d+|true|false|\[\]|\{.*\})$/.test(text) ? text : undefined;
}
