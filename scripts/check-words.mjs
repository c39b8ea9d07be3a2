// Finds the habits of style that docs, comments, messages and titles must not have. Part of `npm run lint`.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const FOLDERS = ['apps', 'bench', 'docs', 'libs', 'scripts', 'test'];
const SKIPPED = new Set(['node_modules', 'dist', 'coverage', 'reports', 'results', 'output', 'fixtures']);
/** These files quote the words. CHANGELOG.md describes past versions in their own words. */
const QUOTING = new Set(['CHANGELOG.md', 'scripts/check-words.mjs', 'test/architecture/words.spec.ts']);
const TEXT = /\.(?:[cm]?[jt]s|md|html|css|ya?ml|json)$/;
const CODE = /\.[cm]?[jt]s$/;

/** What users of the package read. The test matrix has the titles of tests. */
const PUBLISHED = /^(?:README\.md|docs\/(?!security\/test-matrix)|libs\/mfa\/src\/(?!.*\.spec\.ts$))/;

/**
 * Each habit: what it looks like, what to write instead, and an example.
 * `within` limits a habit to the files that are free of it; extend it, and remove the limit at the end.
 */
export const HABITS = [
  { pattern: /\banew\b/i, remedy: 'write "again", or name what is new', example: 'Seals the rows anew.' },
  { pattern: /\bwhoever\b/i, remedy: 'name the person: "the user", "the caller"', example: 'Whoever signs in.' },
  { pattern: /\bof yours\b/i, remedy: 'write "your …"', example: 'A table of yours.' },
  { pattern: /\bby its own hand\b/i, remedy: 'write "itself"', example: 'It ends by its own hand.' },
  { pattern: /\bshall\b/i, remedy: 'write "must"', example: 'The guard shall deny.' },
  { pattern: /\bdemands\b/i, remedy: 'write "requires"', example: 'The route demands a code.' },
  {
    pattern: /(?<!there )\bis no (?!longer|more)[a-z]+/i,
    remedy: 'write "is not a …"',
    example: 'The option is no number.',
  },
  { pattern: /\bstands? beside\b/i, remedy: 'write "is next to"', example: 'The test stands beside the source.' },
  {
    pattern: /\banswer(?:s|ed)?\b/i,
    remedy: 'write "returns", "response"',
    example: 'It answers 401.',
    within: PUBLISHED,
  },
  {
    pattern: /\b(?:tells?|told)\b/i,
    remedy: 'write "returns", "shows"',
    example: 'It tells the host.',
    within: PUBLISHED,
  },
  { pattern: /\bsa(?:ys|id)\b/i, remedy: 'write "returns", "describes"', example: 'It says no.', within: PUBLISHED },
  {
    pattern: /\bwant(?:s|ed)?\b/i,
    remedy: 'write "requires", "needs"',
    example: 'It wants a code.',
    within: PUBLISHED,
  },
  { pattern: /\bnobody\b/i, remedy: 'write "no user", "null if …"', example: 'Nobody is in.', within: PUBLISHED },
];

/** Paths of all texts that people wrote, relative to the workspace. */
export function textFiles(folders = FOLDERS) {
  const files = [];
  const walk = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !SKIPPED.has(entry.name) && folder !== '') walk(path);
      if (entry.isFile() && TEXT.test(entry.name) && entry.name !== 'package-lock.json') files.push(path);
    }
  };
  for (const folder of ['', ...folders]) walk(folder);
  return files.filter((path) => !QUOTING.has(path));
}

/** The lines of a text with only what people read: in code its comments and its texts of more than one word. */
export function proseOf(path, text) {
  if (!CODE.test(path)) return text.split('\n');
  const ranges = [];
  const code = [];
  let at = 0;
  const visit = (node) => {
    if (!TEXT_NODES.has(node.kind)) return ts.forEachChild(node, visit);
    const [from, to] = [node.getStart(), node.end];
    if (/\S\s+\S/.test(text.slice(from + 1, to - 1))) ranges.push([from, to]);
    code.push(text.slice(at, from), ' '.repeat(to - from));
    at = to;
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  const withoutTexts = code.join('') + text.slice(at);
  for (const { index, 0: comment } of withoutTexts.matchAll(/\/\*[\s\S]*?\*\/|\/\/.*/g)) {
    ranges.push([index, index + comment.length]);
  }
  return only(ranges, text).split('\n');
}

/** The text with everything outside of the ranges blank. */
function only(ranges, text) {
  const blank = (from, to) => text.slice(from, to).replaceAll(/[^\n]/g, ' ');
  let [at, kept] = [0, ''];
  for (const [from, to] of ranges.sort(([a], [b]) => a - b)) {
    kept += blank(at, from) + text.slice(from, to);
    at = to;
  }
  return kept + blank(at, text.length);
}

const TEXT_NODES = new Set([
  ts.SyntaxKind.StringLiteral,
  ts.SyntaxKind.NoSubstitutionTemplateLiteral,
  ts.SyntaxKind.TemplateHead,
  ts.SyntaxKind.TemplateMiddle,
  ts.SyntaxKind.TemplateTail,
  ts.SyntaxKind.RegularExpressionLiteral,
]);

/** Every habit in a text, as `path:line: "words": remedy`. */
export function habitsIn(path, text, habits = HABITS) {
  const wanted = habits.filter(({ within }) => !within || within.test(path));
  // Most files need no parsing.
  if (!wanted.some(({ pattern }) => pattern.test(text))) return [];
  return proseOf(path, text).flatMap((line, index) =>
    wanted.flatMap(({ pattern, remedy }) => {
      const found = pattern.exec(line);
      return found ? [`${path}:${index + 1}: "${found[0].trim()}": ${remedy}`] : [];
    }),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = textFiles().flatMap((path) => habitsIn(path, readFileSync(join(root, path), 'utf8')));
  if (found.length > 0) {
    console.error(found.join('\n'));
    console.error(`${found.length} words to replace. The rules are in CONTRIBUTING.md under "Plain English".`);
    process.exitCode = 1;
  }
}
