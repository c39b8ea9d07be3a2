import { nearestName } from './nearest-name.js';
import { misconfigured } from './option-checks.js';
import { ASYNC_NAMES, EXTRA_NAMES, OPTION_NAMES, type OptionNames } from './option-names.js';

/** Option names of versions before the first release, with their new names. */
const RENAMED = new Map([
  ['setupLifetimeSeconds', 'enrollment.setupLifetimeSeconds'],
  ['maxAuthenticators', 'enrollment.maxAuthenticators'],
  ['disableWithPassword', 'enrollment.disableWithPassword'],
  ['acquireTimeoutSeconds', 'timeouts.connectionSeconds'],
  ['statementTimeoutSeconds', 'timeouts.statementSeconds'],
  ['challenge.cookieName', 'challenge.cookie.name'],
  ['challenge.cookiePath', 'challenge.cookie.path'],
  ['challenge.cookieSecure', 'challenge.cookie.secure'],
  ['publicRoute', 'http.publicDecorators'],
  ['requireMfa', '{ provide: APP_GUARD, useExisting: MfaGuard }'],
]);

const FOR_ROOT_NAMES: OptionNames = { ...OPTION_NAMES, ...EXTRA_NAMES };
const FOR_ROOT_ASYNC_NAMES: OptionNames = { ...EXTRA_NAMES, ...ASYNC_NAMES };

/** Throws for an option that `forRoot` does not have. */
export function requireKnownOptions(options: object): void {
  requireGiven(options);
  requireKnown(options, FOR_ROOT_NAMES, '', (name) =>
    Object.hasOwn(ASYNC_NAMES, name) ? `option \`${name}\` belongs to forRootAsync, not to forRoot` : null,
  );
}

/** Throws for an option that `forRootAsync` does not have. */
export function requireKnownAsyncOptions(options: object): void {
  requireGiven(options);
  requireKnown(options, FOR_ROOT_ASYNC_NAMES, '', (name) =>
    Object.hasOwn(OPTION_NAMES, name)
      ? `option \`${name}\` must be in the result of the forRootAsync factory, not next to the factory`
      : null,
  );
}

/** Throws for an option that the result of a `forRootAsync` factory must not have. */
export function requireKnownResult(options: object): void {
  requireGiven(options);
  requireKnown(options, OPTION_NAMES, '', (name) =>
    Object.hasOwn(EXTRA_NAMES, name)
      ? `option \`${name}\` must be next to the forRootAsync factory, because the module needs it before the factory runs`
      : null,
  );
}

/** Copies the known options to a plain object. Nest copies own properties only, so inherited ones and getters would be lost. */
export function plainOptions<T extends object>(options: T): T {
  const known = Object.keys(FOR_ROOT_NAMES).filter((name) => name in options) as (keyof T)[];
  return Object.fromEntries(known.map((name) => [name, options[name]])) as T;
}

function requireGiven(options: unknown): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  throw misconfigured(
    'no options were given; call forRoot({ issuer, keys, host }) or let the forRootAsync factory return { issuer, keys }',
  );
}

function requireKnown(given: unknown, known: OptionNames, path: string, misplaced?: (name: string) => string | null) {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return;
  for (const name of namesIn(given)) {
    if (Object.hasOwn(known, name)) {
      requireKnownValue((given as Record<string, unknown>)[name], known[name]!, path + name);
    } else {
      const problem = misplaced?.(name);
      if (problem) throw misconfigured(problem);
      refuse({ given, name, known, path });
    }
  }
}

function requireKnownValue(value: unknown, known: OptionNames[string], path: string): void {
  if (known === null) return;
  if (!isList(known)) return requireKnown(value, known, `${path}.`);
  if (Array.isArray(value)) value.forEach((each, index) => requireKnown(each, known[0], `${path}[${index}].`));
}

const isList = (known: OptionNames | readonly [OptionNames]): known is readonly [OptionNames] => Array.isArray(known);

interface UnknownOption {
  given: object;
  name: string;
  known: OptionNames;
  path: string;
}

/** Throws for an unknown option. A private field of a class instance with the options is not one. */
function refuse({ given, name, known, path }: UnknownOption): void {
  const names = Object.keys(known);
  const sibling = nearestName(name, names);
  const renamed = RENAMED.get(path + name);
  if (isClassInstance(given) && renamed === undefined && (sibling === null || sibling in given)) return;
  const near = renamed ?? (sibling === null ? elsewhere(name) : path + sibling);
  const remedy = near === null ? `The options here are ${names.join(', ')}` : `Did you mean \`${near}\`?`;
  throw misconfigured(`option \`${path}${name.slice(0, 64)}\` is unknown. ${remedy}`);
}

/** The path of an option with the same name in another group. `null` = there is none. */
function elsewhere(name: string): string | null {
  const paths = pathsOf(FOR_ROOT_NAMES, '');
  return paths.find((path) => path.split('.').at(-1) === name) ?? null;
}

function pathsOf(names: OptionNames, prefix: string): string[] {
  return Object.entries(names).flatMap(([name, within]): string[] => {
    const path = prefix + name;
    if (within === null) return [path];
    return isList(within) ? pathsOf(within[0], `${path}[].`) : [path, ...pathsOf(within, `${path}.`)];
  });
}

/** Names of the options in an object, with inherited properties and getters, without methods. */
function namesIn(given: object): string[] {
  const names = new Set<string>();
  for (let level: object | null = given; level !== null; level = Object.getPrototypeOf(level) as object | null) {
    // Object.prototype is skipped: properties that were added to it are in every object.
    if (level !== given && Object.getPrototypeOf(level) === null) break;
    for (const [name, { enumerable, get }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (enumerable || get) names.add(name);
    }
  }
  return [...names];
}

/** Whether the object is an instance of a class. Compared by name, because Jest gives every test file its own `Object`. */
function isClassInstance(given: object): boolean {
  const { constructor } = given as { constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== 'Object';
}
