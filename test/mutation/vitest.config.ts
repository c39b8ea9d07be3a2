import { defineConfig } from 'vitest/config';

/** The unit tests alone: they need no database, and each is quick enough to be run against every mutant. */
export default defineConfig({
  test: {
    include: ['libs/mfa/src/**/*.spec.ts'],
    setupFiles: ['reflect-metadata'],
    runner: 'test/mutation/load-failures.runner.ts',
    testTimeout: 20_000,
  },
});
