import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { root } from './markdown.js';

/** A reader's project: the files of the pages, where this repository's dependencies are found. */
export interface Example {
  folder: string;
  files: string[];
  remove(): Promise<void>;
}

/** A usual Nest project's settings, strict, with the library's sources in place of the package. */
const TSCONFIG = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    paths: {
      'nestjs-mfa': ['../../libs/mfa/src/index.ts'],
      'nestjs-mfa/*': ['../../libs/mfa/src/*.ts'],
    },
  },
  include: ['src'],
};

export async function writeExample(files: ReadonlyMap<string, string>): Promise<Example> {
  await mkdir(join(root, '.data'), { recursive: true });
  const folder = await mkdtemp(join(root, '.data/docs-'));
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [file, code] of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), code);
  }
  const paths = [...files.keys()].map((file) => join(folder, file));
  return { folder, files: paths, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** The strictest settings that a project may have, with the types of the package as it is built. */
export const STRICTEST: ts.CompilerOptions = {
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  paths: {
    'nestjs-mfa': [join(root, 'libs/mfa/dist/esm/index.d.ts')],
    'nestjs-mfa/*': [join(root, 'libs/mfa/dist/esm/*.d.ts')],
  },
};

/** Declarations of the package, as far as the program reads them. */
const isOwnDeclaration = ({ fileName }: ts.SourceFile) => fileName.includes('/libs/mfa/dist/');

/** What the compiler reports of the example's own files and the package, with file and line; nothing = it compiles. */
export function compilerMessages(
  { folder, files }: Example,
  type: 'module' | 'commonjs',
  settings: ts.CompilerOptions = {},
): string[] {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
  const { config } = ts.readConfigFile(join(folder, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
  const program = ts.createProgram(files, { ...options, ...settings });
  const declarations = program.getSourceFiles().filter(isOwnDeclaration);
  const sources = [...files.map((file) => program.getSourceFile(file)!), ...declarations];
  const diagnostics = [
    ...program.getOptionsDiagnostics(),
    ...sources.flatMap((each) => [...program.getSyntacticDiagnostics(each), ...program.getSemanticDiagnostics(each)]),
  ];
  return diagnostics.map(({ file, start, messageText }) => {
    const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${file?.fileName.slice(folder.length + 1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}
