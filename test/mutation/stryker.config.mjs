/** Mutation tests by the unit tests next to the sources. `scripts/test-mutation.mjs` lists what to mutate. */
export default {
  testRunner: 'vitest',
  vitest: { configFile: 'test/mutation/vitest.config.ts', related: true },
  coverageAnalysis: 'perTest',
  // A run takes over what an earlier one found out about sources and tests that are still the same.
  incremental: true,
  incrementalFile: 'reports/mutation/incremental.json',
  concurrency: 2,
  // Generous, for a busy machine: loops without end are found by counting, not by the clock.
  timeoutMS: 60_000,
  // What is copied beside the mutants; without an entry of its own a file that a test imports is not there.
  ignorePatterns: [
    '**',
    '!libs/mfa/src/**',
    '!libs/mfa/*.json',
    '!test/mutation/*.ts',
    '!test/support/in-memory-*.ts',
    '!test/fixtures/fernet/*.json',
    '!*.json',
  ],
  thresholds: { high: 95, low: 90, break: 90 },
  reporters: ['progress-append-only', 'clear-text', 'json', 'html'],
  clearTextReporter: { allowColor: false, reportTests: false, logTests: false },
  warnings: { slow: false },
};
