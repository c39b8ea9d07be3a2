/** Links of the pages that the package carries. A relative link would be dead on npm, so it leads into the repository. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** As in the field `repository` of `libs/mfa/package.json`. */
export const REPOSITORY = 'https://github.com/nestjs-mfa/nestjs-mfa';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The text with links that work outside the repository. Code is left as it is. */
export function withAbsoluteLinks(markdown) {
  const parts = markdown.split(/(^```.*?^```$|`[^`\n]*`)/gms);
  return parts.map((part, index) => (index % 2 === 0 ? rewritten(part) : part)).join('');
}

const rewritten = (prose) =>
  prose.replace(/(!?)(\[[^[\]]*\])\((?!https?:|#|mailto:)([^)\s]+)\)/g, (_, image, text, target) => {
    const kind = image ? 'raw' : 'blob';
    return `${image}${text}(${REPOSITORY}/${kind}/main/${target})`;
  });

/** Whether a link of a packed page is relative, or names something in this repository that is not there. */
export function isDead(target) {
  const [, inRepository] = target.split(`${REPOSITORY}/`);
  if (inRepository === undefined) return !/^(https?:|#)/.test(target);
  const [, path] = /^(?:blob|raw)\/main\/([^#]+)/.exec(inRepository) ?? [];
  return path === undefined ? !/^(issues|security)/.test(inRepository) : !existsSync(`${root}${path}`);
}
