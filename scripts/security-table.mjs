/**
 * The page `docs/security/test-matrix.md`: the tests of each requirement in `docs/security/requirements.md`, derived from
 * the titles of the tests. A title that names `S27` is a test of S27.
 *
 *   node scripts/security-table.mjs           prints what is missing or wrong
 *   node scripts/security-table.mjs --write   writes the page
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../', import.meta.url));
export const REQUIREMENTS_PAGE = join(root, 'docs/security/requirements.md');
export const MATRIX_PAGE = join(root, 'docs/security/test-matrix.md');

const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, index) => `S${first + index}`);

/** S1 to S87 with their lettered lines, S100 to S104, S110 to S113, and S121 to S123. */
export const REQUIREMENTS = [
  ...numbers(1, 87),
  ...numbers(100, 104),
  ...numbers(110, 113),
  ...numbers(121, 123),
].flatMap((id) => (['S34', 'S44'].includes(id) ? [id, `${id}a`, `${id}b`] : id === 'S43' ? [id, 'S43a'] : [id]));

/** Requirements that may be marked planned; take one out when it is done. */
const MAY_BE_PLANNED = [];

const TEST_FILE = /([.-]contract|\.spec)\.ts$|^test\/hosts\/shared\/.*\.ts$/;
const PLACES = ['libs', 'apps', 'test'];

/** Every test file, relative to the root. */
function testFiles(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter(({ name }) => !['node_modules', 'dist'].includes(name))
    .flatMap((entry) => (entry.isDirectory() ? testFiles(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`]))
    .filter((path) => TEST_FILE.test(path))
    .sort((a, b) => (a < b ? -1 : 1));
}

/** Every test and suite that names a requirement: `{ file, title, ids }`. */
export function collectTests() {
  return PLACES.flatMap(testFiles).flatMap((file) => testsIn(file, readFileSync(join(root, file), 'utf8')));
}

export function testsIn(file, source) {
  const found = [];
  const visit = (node) => {
    const names = ts.isCallExpression(node) ? calleeNames(node.expression) : [];
    const isTest = ['it', 'test', 'describe'].includes(names[0]);
    // What is skipped or still to be written proves nothing, and neither does what stands inside.
    if (isTest && names.some((name) => ['skip', 'todo'].includes(name))) return;
    const title = isTest ? titleOf(node.arguments[0]) : null;
    const ids = title === null ? [] : (title.match(/\bS\d+[ab]?\b/g) ?? []);
    if (ids.length > 0) found.push({ file, title, ids: [...new Set(ids)] });
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.ES2022, true));
  return found;
}

/** `it.each([...])` → it, each. */
function calleeNames(node) {
  if (ts.isIdentifier(node)) return [node.text];
  if (ts.isPropertyAccessExpression(node)) return [...calleeNames(node.expression), node.name.text];
  if (ts.isCallExpression(node)) return calleeNames(node.expression);
  if (ts.isTaggedTemplateExpression(node)) return calleeNames(node.tag);
  return [];
}

function titleOf(node) {
  if (node === undefined) return null;
  if (ts.isStringLiteralLike(node)) return node.text;
  return ts.isTemplateExpression(node) ? node.getText().slice(1, -1) : null;
}

const ROW = /^\| (S\d+[ab]?) \|(.*)\|$/;

/** The rows of requirements: `{ id, requirement, done }`. */
export function rowsOf(page) {
  return page.split('\n').flatMap((line) => {
    const [, id, rest] = ROW.exec(line) ?? [];
    if (id === undefined) return [];
    const [requirement, done = ''] = rest.split(/(?<!\\)\|/).map((cell) => cell.trim());
    return [{ id, requirement, done }];
  });
}

const isPlanned = ({ done }) => done.startsWith('**planned**');

const MATRIX_HEAD = `# Test matrix

The tests of each [requirement](requirements.md). \`node scripts/security-table.mjs --write\` writes this page from the titles of the tests. A test fails when a requirement has no test, and when this page is not up to date.

<!-- prettier-ignore -->
| No. | Tests |
| --- | --- |
`;

/** The page of the matrix as the tests are now. */
export function rendered(requirements, tests) {
  const rows = rowsOf(requirements).map(({ id }) => `| ${id} | ${testCell(id, tests)} |\n`);
  return MATRIX_HEAD + rows.join('');
}

function testCell(id, tests) {
  const own = tests.filter(({ ids }) => ids.includes(id));
  if (own.length === 0) return 'none yet';
  const files = [...new Set(own.map(({ file }) => file))];
  const parts = files.map((file) => {
    const titles = [...new Set(own.filter((test) => test.file === file).map(({ title }) => inCode(title)))];
    return `[${file.replace('libs/mfa/src/', '')}](../../${file})<br>${titles.join('<br>')}`;
  });
  return parts.join('<br>');
}

const inCode = (title) => {
  const text = title.replaceAll('|', '\\|');
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
};

/** The matrix: the text of its cell for each requirement. */
function cellsOf(matrix) {
  return new Map(
    matrix.split('\n').flatMap((line) =>
      ROW.exec(line)
        ? [
            ROW.exec(line)
              .slice(1)
              .map((text) => text.trim()),
          ]
        : [],
    ),
  );
}

/** The tests that a cell of the matrix names. */
function namedIn(cell) {
  const parts = cell.split(/\[[^\]]*\]\(\.\.\/\.\.\/([^)]+)\)/).slice(1);
  const named = [];
  for (let index = 0; index < parts.length; index += 2) {
    for (const [, , title] of parts[index + 1].matchAll(/(`+) ?(.+?) ?\1(?!`)/g)) {
      named.push({ file: parts[index], title: title.replaceAll('\\|', '|') });
    }
  }
  return named;
}

/** Everything that is wrong with the two pages, in sentences. */
export function problems({ requirements, matrix }, tests) {
  const rows = rowsOf(requirements);
  const cells = cellsOf(matrix);
  return [
    ...wrongRows(rows),
    ...rows.flatMap((row) => wrongTests(row, cells.get(row.id) ?? '', tests)),
    ...strayTests(tests),
    ...strayCitations(requirements),
  ];
}

function wrongRows(rows) {
  const ids = rows.map(({ id }) => id);
  return [
    ...REQUIREMENTS.filter((id) => !ids.includes(id)).map((id) => `${id} is not in the page`),
    ...ids
      .filter((id, index) => !REQUIREMENTS.includes(id) || ids.indexOf(id) !== index)
      .map((id) => `${id}: a row too many`),
    ...rows
      .filter((row) => isPlanned(row) && !MAY_BE_PLANNED.includes(row.id))
      .map(({ id }) => `${id} is marked planned, and must not be`),
  ];
}

function wrongTests(row, cell, tests) {
  const own = tests.filter(({ ids }) => ids.includes(row.id));
  const named = namedIn(cell);
  const missing = named
    .filter(({ file, title }) => !own.some((test) => test.file === file && test.title === title))
    .map(({ file, title }) => `${row.id}: ${file} has no test "${title}"`);
  if (isPlanned(row)) return missing;
  if (own.length === 0) return [...missing, `${row.id} has no test`];
  if (named.length === 0) return [`${row.id}: the matrix names none of its tests`];
  return missing;
}

function strayTests(tests) {
  return tests.flatMap(({ file, title, ids }) =>
    ids
      .filter((id) => !REQUIREMENTS.includes(id))
      .map((id) => `${file}: "${title}" names ${id}, which is not a requirement`),
  );
}

/** What a requirement cites of ASVS or NIST must stand in the tables of those. */
function strayCitations(page) {
  const [, asvs = '', nist = ''] = page.split(/^## (?:OWASP ASVS|NIST SP) .*$/m);
  const listed = { A: itemsOf(asvs), N: itemsOf(nist) };
  return rowsOf(page).flatMap(({ id, requirement }) =>
    [...requirement.matchAll(/\b([AN])(\d+(?:\.\d+)+)\b/g)]
      .filter(([, kind, item]) => !listed[kind].includes(item))
      .map(([cited]) => `${id} cites ${cited}, which its table does not list`),
  );
}

const itemsOf = (section) =>
  section.split('\n').flatMap((line) => /^\| ([\d., ]+) \|/.exec(line)?.[1].split(', ') ?? []);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const tests = collectTests();
  const requirements = readFileSync(REQUIREMENTS_PAGE, 'utf8');
  if (process.argv.includes('--write')) writeFileSync(MATRIX_PAGE, rendered(requirements, tests));
  const found = problems({ requirements, matrix: readFileSync(MATRIX_PAGE, 'utf8') }, tests);
  console.log(found.length > 0 ? found.join('\n') : 'docs/security: every requirement has its tests');
  process.exitCode = found.length > 0 ? 1 : 0;
}
