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

const project = (name: string, include: string, timeout = 20_000, globalSetup: string[] = []) => ({
  resolve: { alias },
  test: {
    name,
    include: [include],
    setupFiles: ['reflect-metadata'],
    globalSetup,
    testTimeout: timeout,
    hookTimeout: 60_000,
  },
});

export default defineConfig({
  test: {
    globalSetup: ['test/support/requirements.ts'],
    maxWorkers: 2,
    coverage: { include: ['libs/*/src/**/*.ts'], exclude: ['**/*.spec.ts'] },
    projects: [
      project('unit', 'libs/*/src/**/*.spec.ts'),
      project('demo', 'apps/*/src/**/*.spec.ts'),
      project('persistence', 'test/persistence/**/*.spec.ts', 180_000),
      project('e2e', 'test/e2e/**/*.spec.ts', 60_000),
      project('cli', 'test/cli/**/*.spec.ts', 120_000, BUILT),
      project('import', 'test/import/**/*.spec.ts', 120_000),
      project('races', 'test/races/**/*.spec.ts', 180_000, BUILT),
      project('faults', 'test/faults/**/*.spec.ts', 180_000),
      project('security', 'test/security/**/*.spec.ts', 180_000),
      project('browser', 'test/browser/**/*.spec.ts', 120_000),
      project('architecture', 'test/architecture/**/*.spec.ts', 120_000),
      project('docs', 'test/docs/**/*.spec.ts', 120_000, BUILT),
    ],
  },
});
