import { nearestName } from './nearest-name.js';
import { misconfigured } from './option-checks.js';
import { ASYNC_NAMES, EXTRA_NAMES, OPTION_NAMES, type OptionNames } from './option-names.js';

/** Names of versions before the first release, and where they went. */
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

/** Refuses what `forRoot` does not know. */
export function requireKnownOptions(options: object): void {
  requireGiven(options);
  requireKnown(options, FOR_ROOT_NAMES, '', (name) =>
    Object.hasOwn(ASYNC_NAMES, name) ? `option \`${name}\` belongs to forRootAsync, and this is forRoot` : null,
  );
}

/** Refuses what `forRootAsync` does not know. */
export function requireKnownAsyncOptions(options: object): void {
  requireGiven(options);
  requireKnown(options, FOR_ROOT_ASYNC_NAMES, '', (name) =>
    Object.hasOwn(OPTION_NAMES, name)
      ? `option \`${name}\` must be in what the factory of forRootAsync returns, not beside the factory`
      : null,
  );
}

/** Refuses what the result of a `forRootAsync` factory must not have. */
export function requireKnownResult(options: object): void {
  requireGiven(options);
  requireKnown(options, OPTION_NAMES, '', (name) =>
    Object.hasOwn(EXTRA_NAMES, name)
      ? `option \`${name}\` must be beside the factory of forRootAsync: the result of the factory comes too late for it`
      : null,
  );
}

/** The known options as a plain object, whatever object carries them: Nest copies own properties only. */
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

/** Throws, but for the private field of a class whose instance carries the options. */
function refuse({ given, name, known, path }: UnknownOption): void {
  const names = Object.keys(known);
  const sibling = nearestName(name, names);
  const renamed = RENAMED.get(path + name);
  if (isClassInstance(given) && renamed === undefined && (sibling === null || sibling in given)) return;
  const near = renamed ?? (sibling === null ? elsewhere(name) : path + sibling);
  const remedy = near === null ? `The options here are ${names.join(', ')}` : `Did you mean \`${near}\`?`;
  throw misconfigured(`option \`${path}${name.slice(0, 64)}\` is unknown. ${remedy}`);
}

/** The same name in another group. */
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

/** Names of the options in an object, inherited ones and getters of its class included; never its methods. */
function namesIn(given: object): string[] {
  const names = new Set<string>();
  for (let level: object | null = given; level !== null; level = Object.getPrototypeOf(level) as object | null) {
    // Whatever somebody added to Object.prototype is in every object.
    if (level !== given && Object.getPrototypeOf(level) === null) break;
    for (const [name, { enumerable, get }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (enumerable || get) names.add(name);
    }
  }
  return [...names];
}

/** By name, because Jest gives every test file an `Object` of its own. */
function isClassInstance(given: object): boolean {
  const { constructor } = given as { constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== 'Object';
}
