import type { MfaHttpOptions, MfaModuleExtras } from './mfa-options.js';
import { group, list, misconfigured } from './option-checks.js';

/** The options of the built-in routes, with defaults. */
export interface ResolvedHttpOptions {
  prefix: string;
  publicDecorators: readonly MethodDecorator[];
  decorators: readonly MethodDecorator[];
}

/** Resolves the option `http`. Returns `null` if the built-in routes are turned off. */
export function resolveHttp(http: MfaModuleExtras['http']): ResolvedHttpOptions | null {
  if (http === false) return null;
  const options = group<MfaHttpOptions>('http', http);
  const prefix: unknown = options.prefix ?? 'mfa';
  if (typeof prefix !== 'string') throw misconfigured('option `http.prefix` must be a path, such as `auth/mfa`');
  return {
    prefix,
    publicDecorators: decoratorsOf('publicDecorators', options),
    decorators: decoratorsOf('decorators', options),
  };
}

function decoratorsOf(name: 'publicDecorators' | 'decorators', options: MfaHttpOptions): readonly MethodDecorator[] {
  const decorators = list(`http.${name}`, options[name]);
  const wrong = decorators.findIndex((each) => typeof each !== 'function');
  if (wrong === -1) return decorators;
  throw misconfigured(`option \`http.${name}[${wrong}]\` must be a decorator; call it, as in \`[Public()]\``);
}
