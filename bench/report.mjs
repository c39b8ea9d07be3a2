/**
 * The numbers of the pages, from `bench/results`: never typed by hand.
 *
 *   node bench/report.mjs           prints the targets and what was measured
 *   node bench/report.mjs --write   writes the tables of docs/performance.md and the line in the README
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sections } from './output/markdown.mjs';
import { targets } from './output/targets.mjs';
import { printTable } from './output/terminal.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export const PAGES = ['../docs/performance.md', '../README.md'].map(here);

const FILES = ['latest', 'passkeys', 'passkey-checks', 'scale', 'micro', 'against'];

/** What was measured last, as far as it was. */
export function readResults() {
  const [comparison, passkeys, passkeyChecks, scale, micro, against] = FILES.map((name) => {
    const path = here(`results/${name}.json`);
    return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
  });
  return { comparison, passkeys, passkeyChecks, scale, micro, against };
}

/** The page with the numbers of `results`. A place inside a line stays inside of it. */
export function rendered(page, results) {
  return Object.entries(sections(results)).reduce((text, [name, content]) => {
    const place = new RegExp(`(<!-- ${name} -->)(.*?)(<!-- /${name} -->)`, 's');
    return text.replace(place, (_, open, old, close) => {
      return old.includes('\n') ? `${open}\n\n${content}\n\n${close}` : open + content + close;
    });
  }, page);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const results = readResults();
  if (process.argv.includes('--write')) {
    for (const path of PAGES) writeFileSync(path, rendered(readFileSync(path, 'utf8'), results));
  }
  printTable(targets(results).map(({ met, ...row }) => ({ ...row, met: met ? 'yes' : 'NO' })));
}
