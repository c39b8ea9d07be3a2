import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

export const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

/** Every page that people read, relative to the root. */
export const pages = [
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...(readdirSync(`${root}docs`, { recursive: true }) as string[])
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`),
];

/** Blocks that a reader is to copy: fences as ```` ```ts title="src/app.module.ts" ````, by their file. */
export function codeFiles(markdown: string, language = 'ts'): Map<string, string> {
  const blocks = markdown.matchAll(new RegExp(`^\`\`\`${language} title="([^"]+)"\\n(.*?)^\`\`\`$`, 'gms'));
  return new Map([...blocks].map(([, file = '', code = '']) => [file, code]));
}

/** Rows of all tables, cells trimmed and as written; without the lines of dashes. */
export function tableRows(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^[|:\s-]+$/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** Targets of links and images, without those in code. */
export function links(markdown: string): string[] {
  const prose = markdown.replace(/^```.*?^```$/gms, '').replace(/(`+)(?!`).*?(?<!`)\1(?!`)/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

/** Anchors of the headings, as GitHub makes them. */
export function anchors(markdown: string): Set<string> {
  const seen = new Map<string, number>();
  const headings = markdown.replace(/^```.*?^```$/gms, '').matchAll(/^#{1,6} (.+)$/gm);
  return new Set(
    [...headings].map(([, text = '']) => {
      const slug = text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-');
      const count = seen.get(slug) ?? 0;
      seen.set(slug, count + 1);
      return count === 0 ? slug : `${slug}-${count}`;
    }),
  );
}
