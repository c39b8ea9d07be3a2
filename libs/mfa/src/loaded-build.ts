/** Which of the two builds this file belongs to: only a CommonJS module has a `module` of its own. */
const format = typeof module === 'object' ? 'CommonJS' : 'ESM';

const key = Symbol.for('nestjs-mfa:loaded-builds');
const registry = globalThis as { [key]?: Set<string> };
const loaded = (registry[key] ??= new Set());
loaded.add(format);

/**
 * The builds of this package that the process has loaded. With both, classes exist twice and dependency
 * injection splits silently, so the module refuses to boot then (S44b).
 */
export function loadedBuilds(): readonly string[] {
  return [...loaded];
}
