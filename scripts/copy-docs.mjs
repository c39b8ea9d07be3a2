/** The package carries the repository's own README, licence and changelog: copied when it is packed. */
import { copyFileSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md']) {
  const from = fileURLToPath(new URL(`../${name}`, import.meta.url));
  if (existsSync(from)) copyFileSync(from, fileURLToPath(new URL(`../libs/mfa/${name}`, import.meta.url)));
}
