import { beforeAll, describe, expect, it } from 'vitest';
import { read, root } from './markdown.js';

interface FoundTest {
  file: string;
  title: string;
  ids: string[];
}

const { REQUIREMENTS, collectTests, problems, rendered, testsIn } = (await import(
  `${root}scripts/security-table.mjs`
)) as {
  REQUIREMENTS: string[];
  collectTests(): FoundTest[];
  problems(pages: { requirements: string; matrix: string }, tests: FoundTest[]): string[];
  rendered(requirements: string, tests: FoundTest[]): string;
  testsIn(file: string, source: string): FoundTest[];
};

describe('docs/security', () => {
  const page = read('docs/security/requirements.md');
  const pages = { requirements: page, matrix: read('docs/security/test-matrix.md') };
  const problemsOf = (requirements: string) => problems({ ...pages, requirements }, tests);
  let tests: FoundTest[];
  beforeAll(() => {
    tests = collectTests();
  });

  it('names for every requirement tests that exist', () => {
    expect(problems(pages, tests), 'run: node scripts/security-table.mjs --write').toEqual([]);
    expect(rendered(page, tests), 'run: node scripts/security-table.mjs --write').toBe(pages.matrix);
  });

  it('lists 104 requirements', () => {
    expect(REQUIREMENTS).toHaveLength(104);
    expect(REQUIREMENTS).toEqual(
      expect.arrayContaining([
        'S1',
        'S34a',
        'S34b',
        'S43a',
        'S44a',
        'S44b',
        'S67',
        'S87',
        'S104',
        'S113',
        'S121',
        'S123',
      ]),
    );
  });

  it('is told of a requirement whose last test went', () => {
    const fewer = tests.filter(({ ids }) => !ids.includes('S27'));
    expect(problems(pages, fewer)).toContain('S27 has no test');
  });

  it('is told of a test that was renamed', () => {
    const [first] = tests.filter(({ ids }) => ids.includes('S27'));
    const renamed = tests.map((each) => (each === first ? { ...each, title: 'S27 something else' } : each));
    expect(problems(pages, renamed)).toContain(`S27: ${first!.file} has no test "${first!.title}"`);
  });

  it('is told of a row that is missing, doubled, or planned without leave', () => {
    const row = /^\| S22 \|.*\n/m.exec(page)![0];
    expect(problemsOf(page.replace(row, ''))).toContain('S22 is not in the page');
    expect(problemsOf(page.replace(row, row + row))).toContain('S22: a row too many');
    const planned = page.replace(row, '| S22 | vectors | **planned** |\n');
    expect(problemsOf(planned)).toContain('S22 is marked planned, and must not be');
  });

  it('is told of a citation that its tables do not hold, and of a test of nothing', () => {
    expect(problemsOf(page.replace('[A13.3.1]', '[A13.3.99]'))).toContain(
      'S1 cites A13.3.99, which its table does not list',
    );
    const stray = { file: 'x.spec.ts', title: 'S99 x', ids: ['S99'] };
    expect(problems(pages, [...tests, stray])).toContain('x.spec.ts: "S99 x" names S99, which is not a requirement');
  });

  it('is written from titles as they stand, pipes and backticks included', () => {
    const row = '| S22 | vectors | computed |';
    const odd = { file: 'libs/mfa/src/x.spec.ts', title: 'S22 a | b `c` %s', ids: ['S22'] };
    const written = rendered(row, [odd]);
    expect(written).toContain('[x.spec.ts](../../libs/mfa/src/x.spec.ts)');
    expect(problems({ requirements: row, matrix: written }, [odd]).filter((each) => each.startsWith('S22'))).toEqual(
      [],
    );
  });
});

describe('titles of tests', () => {
  it('count in every form but skipped and to be done', () => {
    const source = `
      describe('S1 suite', () => {
        it('S2 S3 plain', f);
        it.each([1])('S4 each %s', f);
        it.skipIf(x)('S5 conditional', f);
        it.skip('S6 skipped', f);
        it.todo('S7 later');
        describe.skip('S8 all of it', () => it('S9 inside', f));
        test.for([1])(\`S10 \${x} template\`, f);
        notATest('S11');
      });`;
    expect(testsIn('x.spec.ts', source).flatMap(({ ids }) => ids)).toEqual(['S1', 'S2', 'S3', 'S4', 'S5', 'S10']);
  });
});
