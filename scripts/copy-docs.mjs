/** The package carries the repository's README, licence and changelog: copied when it is packed. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { withAbsoluteLinks } from './packed-links.mjs';

const inRoot = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

for (const name of ['README.md', 'CHANGELOG.md']) {
  writeFileSync(inRoot(`libs/mfa/${name}`), withAbsoluteLinks(readFileSync(inRoot(name), 'utf8')));
}
copyFileSync(inRoot('LICENSE'), inRoot('libs/mfa/LICENSE'));
