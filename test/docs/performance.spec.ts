import { describe, expect, it } from 'vitest';
import { read, root } from './markdown.js';

const { readResults, rendered } = (await import(`${root}bench/report.mjs`)) as {
  readResults(): { comparison?: { date: string } };
  rendered(page: string, results: object): string;
};

describe('the numbers of the benchmark', () => {
  const results = readResults();

  it.each(['README.md', 'docs/performance.md'])('stand in %s as they were measured', (path) => {
    const page = read(path);
    expect(page).toBe(rendered(page, results)); // else run: node bench/report.mjs --write
  });

  it('are what the chart shows', async () => {
    const { chart } = (await import(`${root}bench/output/chart.mjs`)) as { chart(comparison: unknown): string };
    expect(read('docs/images/benchmark.svg')).toBe(chart(results.comparison));
  });

  it('are in the page at all', () => {
    expect(read('docs/performance.md')).toContain(`${results.comparison?.date}.`);
    expect(rendered('<!-- comparison -->\nold\n<!-- /comparison -->', results)).toContain('nestjs-mfa on Fastify');
    expect(rendered('<!-- comparison -->\nold\n<!-- /comparison -->', {})).not.toContain('old');
  });
});

describe('the benchmark', () => {
  it('sends the recorded statements for any other user, at any other time', async () => {
    const { bindParameters, planOf } = (await import(`${root}bench/servers/statement-plan.mjs`)) as {
      planOf(...recordings: object[]): { parameters: object[]; rowCount: number }[];
      bindParameters(parameters: object[], request: object): unknown[];
    };
    const user = (n: number) => `00000000-0000-4000-8000-00000000000${n}`;
    const authenticator = (n: number) => `a${user(n).slice(1)}`;
    const recording = (n: number, nowMs: number, step: number, text = 'SELECT 1') => ({
      context: { userId: user(n), tokenId: `token-${n}`, step, nowMs },
      statements: [
        {
          text,
          rowCount: 2,
          values: [
            user(n),
            `${authenticator(n)}:${step}`,
            [`token-${n}`, nowMs + 900, 1_700_000_000_005],
            JSON.stringify({ user: user(n), until: nowMs - 7 }),
            5,
          ],
        },
      ],
    });
    const first = recording(1, 1_700_000_030_000, 100);
    const [statement] = planOf(first, recording(2, 1_700_000_090_000, 102));
    const request = { userId: user(7), tokenId: 'token-7', step: 140, nowMs: 1_700_001_000_000 };
    expect(bindParameters(statement!.parameters, request)).toEqual([
      user(7),
      `${authenticator(7)}:140`,
      ['token-7', 1_700_001_000_900, 1_700_000_000_005],
      JSON.stringify({ user: user(7), until: 1_700_000_999_993 }),
      5,
    ]);
    expect(statement!.rowCount).toBe(2);
    expect(() => planOf(first, recording(2, 1_700_000_090_000, 102, 'SELECT 2'))).toThrow('different statements');
  });
});
