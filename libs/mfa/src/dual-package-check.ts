import { MfaException } from './errors/mfa.exception.js';

/** Only a CommonJS module has a `module` of its own. */
const format = typeof module === 'object' ? 'CommonJS' : 'ESM';

const key = Symbol.for('nestjs-mfa:loaded-copies');
const registry = globalThis as { [key]?: Map<string, LoadedCopy> };
const loaded = (registry[key] ??= new Map<string, LoadedCopy>());

/** One build of one copy of this package. */
interface LoadedCopy {
  format: string;
  /** The folder of the package; empty when the runtime does not expose it. */
  folder: string;
}

// By place and not by evaluation: test runners evaluate one file many times in one process. `import.meta.url` cannot
// be written in a source that is also compiled to CommonJS.
const place = placeOf(new Error().stack);
loaded.set(`${format} ${place}`, { format, folder: folderOf(place) });

/** The file, line and column of the first frame of a stack. */
function placeOf(stack: unknown): string {
  const frame = typeof stack === 'string' ? (stack.split('\n')[1] ?? '') : '';
  return frame
    .replace(/^\s*at (?:.*? \()?/, '')
    .replace(/\)$/, '')
    .replace(/\?[^:]*/, '');
}

function folderOf(file: string): string {
  const path = file.startsWith('file://') ? decodeURI(file.slice('file://'.length)) : file;
  return path.replace(/[\\/](?:dist[\\/](?:cjs|esm)|src)[\\/][^\\/]*$/, '');
}

/**
 * Refuses to start with two builds or two copies of this package in one process: its classes then exist twice, and
 * dependency injection finds one of the two.
 * @throws MfaException `MFA_MISCONFIGURED`
 */
// S44b, S75
export function requireOneCopy(copies: readonly LoadedCopy[] = [...loaded.values()]): void {
  if (copies.length === 1) return;
  const formats = new Set(copies.map((copy) => copy.format));
  const folders = new Set(copies.map(({ folder }) => folder));
  const message =
    folders.size > 1
      ? `MfaModule: ${folders.size} copies of nestjs-mfa are loaded (${[...folders].join(' and ')}), so its classes exist more than once. Keep one: \`npm ls nestjs-mfa\` lists who brings them, and \`npm dedupe\` or one common version removes the others`
      : `MfaModule: both builds of nestjs-mfa are loaded (${[...formats].join(' and ')}), so its classes exist twice. Load it by \`import\` everywhere, or by \`require\` everywhere`;
  throw new MfaException('MFA_MISCONFIGURED', { message });
}
