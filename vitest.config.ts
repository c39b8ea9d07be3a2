import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`./libs/mfa/src/${path}`, import.meta.url));

/** Tests run against the sources; what is packed is tested by `test/hosts`. */
const alias = [
  { find: /^nestjs-mfa$/, replacement: source('index.ts') },
  { find: /^nestjs-mfa\/(import|migrations|openapi|testing)$/, replacement: source('$1.ts') },
];

/** Compiles library and demo first, for specs that run them as they are built. */
const BUILT = ['test/support/built.ts'];

/** Specs that replace or load modules again. They need modules of their own; the other ones share theirs, which saves the time to load them. */
const MOCKING = [
  'libs/mfa/src/domain/backup-codes/hash-groups.spec.ts',
  'libs/mfa/src/factors/passkey/passkey-ceremonies.spec.ts',
  'libs/mfa/src/http/request-reader.spec.ts',
  'test/e2e/copies.spec.ts',
  'test/e2e/secrecy.spec.ts',
];

const project = (name: string, include: string | string[], timeout = 20_000, globalSetup: string[] = []) => ({
  resolve: { alias },
  test: {
    name,
    include: [include].flat(),
    setupFiles: ['reflect-metadata'],
    globalSetup,
    testTimeout: timeout,
    hookTimeout: 60_000,
    // A page or a background write may be slow on a busy machine.
    expect: { poll: { timeout: 10_000 } },
  },
});

/** Runs the files of a project with one set of modules for each worker. */
const sharingModules = ({ test, ...rest }: ReturnType<typeof project>) => ({
  ...rest,
  test: { ...test, isolate: false, exclude: MOCKING },
});

export default defineConfig({
  test: {
    globalSetup: ['test/support/requirements.ts'],
    maxWorkers: 2,
    coverage: { include: ['libs/*/src/**/*.ts'], exclude: ['**/*.spec.ts'] },
    projects: [
      sharingModules(project('unit', 'libs/*/src/**/*.spec.ts')),
      project('mocking', MOCKING, 60_000),
      sharingModules(project('demo', 'apps/*/src/**/*.spec.ts')),
      sharingModules(project('persistence', 'test/persistence/**/*.spec.ts', 180_000)),
      sharingModules(project('e2e', 'test/e2e/**/*.spec.ts', 60_000)),
      project('cli', 'test/cli/**/*.spec.ts', 120_000, BUILT),
      project('import', 'test/import/**/*.spec.ts', 120_000),
      sharingModules(project('races', 'test/races/**/*.spec.ts', 180_000, BUILT)),
      sharingModules(project('faults', 'test/faults/**/*.spec.ts', 180_000)),
      sharingModules(project('security', 'test/security/**/*.spec.ts', 180_000)),
      project('browser', 'test/browser/**/*.spec.ts', 120_000),
      project('architecture', 'test/architecture/**/*.spec.ts', 120_000),
      project('docs', 'test/docs/**/*.spec.ts', 120_000, BUILT),
    ],
  },
});
