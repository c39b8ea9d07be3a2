import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { root } from '../docs/markdown.js';

interface Habit {
  pattern: RegExp;
  remedy: string;
  example: string;
}

const { HABITS, habitsIn, textFiles } = (await import(`${root}scripts/check-words.mjs`)) as {
  HABITS: Habit[];
  habitsIn(path: string, text: string): string[];
  textFiles(): string[];
};

interface OldName {
  name: string;
  pattern: RegExp;
  /** What replaced it. */
  now: string;
  /** A line that the pattern must find. */
  example: string;
  /** Part of a line in which the words mean something else. */
  except?: RegExp;
  /** Only in these files. @default everywhere */
  within?: RegExp;
}

const LIBRARY = /^libs\/mfa\/src\/(?!.*\.spec\.ts$)/;

const OLD_NAMES: OldName[] = [
  {
    name: 'epoch',
    pattern: /epoch/i,
    now: 'securityStamp',
    example: 'account.epoch',
    // A unit of time, the option of otplib, the function of SQL, and the transformer of the demo.
    except: /epoch[- ]?m(?:illi)?s(?:econds)?\b|epoch_ms|epoch-ms\.ts|Unix epoch|\{ epoch: nowMs \}|extract\(epoch /gi,
  },
  { name: 'epc', pattern: /\bepc\b/, now: 'claim `stamp`', example: 'epc: account.securityStamp' },
  {
    name: 'version of the account row',
    pattern: /\b(?:account|snapshot)\.version\b|account's version/,
    now: 'rowVersion',
    example: 'account.version + 1',
  },
  { name: 'lease', pattern: /\bleases?\b|LEASE_/i, now: 'ORPHAN_GRACE_MS, collectAfter', example: 'LEASE_MS' },
  {
    name: 'gates',
    pattern: /\bgat(?:e|es|ed|ing)\b|(?:Attempt|Route)Gate|(?:attempt|route)-gate/i,
    now: '"MFA stays required", AttemptLimiter, RouteAccess',
    example: 'an unreadable authenticator gates its owner',
  },
  { name: 'tat', pattern: /\btat\b/, now: 'dailyTat, dailyTatMs', example: 'const { failures, tat } = columns' },
  {
    name: 'old methods of the stores',
    pattern:
      /(?:abstract|override(?: async)?) (?:begin|complete|expire)\(|[vV]erification(?:Store)?\)?\.(?:begin|complete)\(/,
    now: 'reserveAttempt, spendAndSettle, collectAfter',
    example: 'override async begin(attempt)',
  },
  {
    name: 'usage kind token of an import',
    pattern: /kind: 'token'/,
    now: "kind: 'import'",
    example: "entries = [{ kind: 'token', item }]",
    within: /^libs\/mfa\/src\/(?:import\/|planted)/,
  },
  { name: 'CodeSpending', pattern: /CodeSpending|code-spending/, now: 'ProofVerifier', example: 'new CodeSpending()' },
  {
    name: 'FreshProof',
    pattern: /FreshProof|fresh-proof|ProofOffered/,
    now: 'ReauthenticationCheck, MfaReauthenticationProof',
    example: 'proof: ProofOffered',
  },
  { name: 'revokeTokens', pattern: /revokeTokens/, now: 'invalidate', example: 'admin.revokeTokens(user.id)' },
  { name: 'recipes', pattern: /\brecipes?\b/i, now: 'hash-groups', example: "from './recipes.js'" },
  {
    name: 'old names of files',
    pattern:
      /(?:prepared|named)-statements|on-first-use|name-based-id|one-at-a-time|loaded-build|own-data-source|account-conditions|purge-pace|PurgePace|verification\/conditions\.|stores\/rows\./,
    now: 'statement-templates, named-queries, lazy, deterministic-uuid, keyed-mutex, dual-package-check, cli-data-source',
    example: "from './on-first-use.js'",
  },
  {
    name: '…Terms',
    pattern: /[A-Za-z]Terms\b|\.\.\.terms\b|\bthis\.terms\b|\bconst terms\b|\bterms: \w/,
    now: '…Params, params',
    example: 'interface TokenTerms {',
  },
  {
    name: 'Seen, Here',
    pattern: /\b(?:interface|type|class) (?:Seen|Here)\b|[:<] ?(?:Seen|Here)\b/,
    now: 'a name that says what it holds',
    example: 'interface Here {',
    except: /(?:\/\/|\*|'|").*/g,
    within: /\.ts$/,
  },
  {
    name: 'known(), stored()',
    pattern: /(?<![.\w])(?:known|stored)\(/,
    now: 'requirePrincipal(), requireUserId()',
    example: 'const id = known(userId);',
    within: LIBRARY,
  },
  { name: 'reseal', pattern: /reseal/i, now: 'reencrypt', example: 'await this.reseal(values)' },
  { name: 'MfaHttpException', pattern: /MfaHttpException/, now: 'MfaException', example: 'new MfaHttpException()' },
  {
    name: 'CompletedMfaLogin, CompletedStepUp',
    pattern: /CompletedMfaLogin|CompletedStepUp/,
    now: 'MfaLogin, MfaStepUp',
    example: 'login: CompletedMfaLogin',
  },
  {
    name: 'MFA_ALREADY_ENABLED',
    pattern: /MFA_ALREADY_ENABLED/,
    now: 'MFA_TOO_MANY_AUTHENTICATORS',
    example: "code: 'MFA_ALREADY_ENABLED'",
  },
  {
    name: 'options outside their group',
    pattern:
      /requireMfa: 'everywhere'|\bpublicRoute\b|\b(?:acquire|statement)TimeoutSeconds\b|challenge\.cookie[A-Z]|`(?:disableWithPassword|setupLifetimeSeconds|maxAuthenticators)`/,
    now: 'enrollment.…, timeouts.…, challenge.cookie.…, http.publicDecorators, APP_GUARD',
    example: 'set `challenge.cookieName`',
    // The start-up check names the successor of each old option.
    within: /^(?!libs\/mfa\/src\/options\/unknown-options\.ts$|test\/e2e\/unknown-options\.spec\.ts$)/,
  },
  {
    name: 'exported names without Mfa',
    pattern: /\b(?:IssueOptions|SecretOwner|CookieResponse)\b/,
    now: 'MfaIssueOptions, MfaSecretOwner, MfaCookieResponse',
    example: 'issue(options: IssueOptions)',
  },
];

const files = textFiles().map((path) => ({ path, text: readFileSync(root + path, 'utf8') }));

/** Where an old name is found, as `path:line: text`. */
function uses({ pattern, except, within }: OldName, { path, text }: { path: string; text: string }): string[] {
  if (within && !within.test(path)) return [];
  const inPath = pattern.test(except ? path.replace(except, '') : path) ? [path] : [];
  const lines = text.split('\n').map((line) => (except ? line.replace(except, '') : line));
  return [
    ...inPath,
    ...lines.flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  ];
}

describe('the words of the code base', () => {
  it.each(OLD_NAMES)('do not include the old name $name', (old) => {
    expect(
      files.flatMap((file) => uses(old, file)),
      `use ${old.now}`,
    ).toEqual([]);
  });

  it.each(OLD_NAMES)('would be found: $name', (old) => {
    expect(uses(old, { path: 'libs/mfa/src/planted.ts', text: `\n${old.example}\n` })).toHaveLength(1);
  });

  it('are searched in code, tests, docs, demo and benchmark', () => {
    const paths = files.map(({ path }) => path);
    for (const path of ['README.md', 'docs/security/requirements.md', 'bench/report.mjs', 'libs/mfa/src/index.ts'])
      expect(paths).toContain(path);
    expect(paths.filter((path) => path.startsWith('apps/demo/'))).not.toEqual([]);
    expect(paths.filter((path) => path.startsWith('test/e2e/'))).not.toEqual([]);
  });
});

describe('scripts/check-words.mjs', () => {
  it.each(HABITS)('finds $pattern', ({ example, pattern, remedy }) => {
    const [found] = habitsIn('libs/mfa/src/planted.ts', `\n/** ${example} */\n`);
    expect(found).toContain(`libs/mfa/src/planted.ts:2: "${pattern.exec(example)![0].trim()}": ${remedy}`);
  });

  it('finds a habit in a message and in a page, and not in a name of code', () => {
    const found = (path: string, line: string) => habitsIn(path, line).length;
    expect(found('test/a.spec.ts', `it('seals a row anew', () => {});`)).toBe(1);
    expect(found('docs/keys.md', 'Rows are sealed anew.')).toBe(1);
    expect(found('test/a.spec.ts', 'const anew = again();')).toBe(0);
  });
});

describe('docstrings and texts of the library', () => {
  const REQUIREMENT = /\bS\d{1,2}[a-z]?\b/;

  /** Docstrings end in the published types, texts in logs and responses. A `//` comment at the line may name a requirement. */
  function requirementsIn({ path, text }: { path: string; text: string }): string[] {
    const docstrings = text.match(/\/\*\*(?:(?!\*\/)[\s\S])*\*\//g) ?? [];
    const withoutComments = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    const texts = withoutComments.match(/(['"`])(?:\\[\s\S]|(?!\1)[\s\S])*\1/g) ?? [];
    return [...docstrings, ...texts].filter((each) => REQUIREMENT.test(each)).map((each) => `${path}: ${each}`);
  }

  it('name no requirement', () => {
    expect(files.filter(({ path }) => LIBRARY.test(path)).flatMap(requirementsIn)).toEqual([]);
  });

  it.each([
    ['a docstring', '/** Spends the code once (S27). */\nexport function spend() {}'],
    ['a message', "throw new Error('S27: spent');"],
    ['a template', 'log(`see S27 of ${page}`);'],
  ])('would be found with one in %s', (_, text) => {
    expect(requirementsIn({ path: 'a.ts', text })).toHaveLength(1);
  });

  it('are not mixed up with a comment at the line', () => {
    expect(requirementsIn({ path: 'a.ts', text: "// S27: once\nconst hash = 'SHA1'; // S28" })).toEqual([]);
  });
});
