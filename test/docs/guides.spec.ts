import { describe, expect, it } from 'vitest';
import { pages, read } from './markdown.js';

/** A fence as ```` ```ts host="jwt/src/tokens.ts" ````: a file of a tested host, or a `#region` of it. */
interface HostBlock {
  page: string;
  source: string;
  code: string;
}

const guides = pages.filter((page) => page.startsWith('docs/guides/'));

function hostBlocks(page: string): HostBlock[] {
  const blocks = read(page).matchAll(/^```(?:ts|js) host="([^"]+)"\n(.*?)^```$/gms);
  return [...blocks].map(([, source = '', code = '']) => ({ page, source, code }));
}

/** The file, or the lines between `// #region name` and `// #endregion`, moved to the left margin. */
function codeOf(source: string): string {
  const [path, name] = source.split('#');
  const file = read(`test/hosts/${path}`);
  if (name === undefined) return file;
  const lines = file.split('\n').map((line) => line.trimEnd());
  const from = lines.findIndex((line) => line.trim() === `// #region ${name}`);
  const to = lines.findIndex((line, at) => at > from && line.trim() === '// #endregion');
  const region = lines.slice(from + 1, to);
  const margin = Math.min(...region.filter(Boolean).map((line) => line.search(/\S/)));
  return `${region.map((line) => line.slice(margin)).join('\n')}\n`;
}

describe('code in the guides', () => {
  const blocks = guides.flatMap(hostBlocks);

  it.each(blocks)('$source in $page is the code of the tested host', ({ source, code }) => {
    expect(code).toBe(codeOf(source));
  });

  it('takes the code of every host', () => {
    const hosts = new Set(blocks.map(({ source }) => source.split('/')[0]));
    expect([...hosts].toSorted()).toEqual(['graphql', 'jwt', 'nest11-cjs', 'session', 'shared']);
  });

  it.each(guides)('has in %s no TypeScript that is neither compiled nor taken from a host', (page) => {
    const fences = read(page).match(/^ *```(ts|typescript)\b.*$/gm) ?? [];
    expect(fences.filter((fence) => !/^```ts (title|host)="[^"]+"$/.test(fence))).toEqual([]);
  });
});

describe('the host of the JWT guide', () => {
  it('needs an adapter of at most 60 lines, and at most 90 lines for the tokens', () => {
    const lines = (path: string) => read(`test/hosts/jwt/src/${path}`).trimEnd().split('\n').length;
    expect(lines('acme-mfa-host.ts')).toBeLessThanOrEqual(60);
    expect(lines('tokens.ts')).toBeLessThanOrEqual(90);
  });
});
