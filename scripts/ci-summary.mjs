/**
 * The closing line of a run: tests of the library and of the hosts, summed. The arguments are the steps that
 * failed; one of them that no failed test accounts for is a failure of its own.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A report's content; nothing when the step did not come so far. */
function report(name) {
  const path = fileURLToPath(new URL(`../reports/${name}.json`, import.meta.url));
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
}

const { numPassedTests = 0, numFailedTests = 0, numPendingTests = 0 } = report('vitest');
const hosts = { passed: 0, failed: 0, ...report('hosts') };
const accounted = { tests: numFailedTests > 0, hosts: hosts.failed > 0 };
const steps = process.argv.slice(2).filter((step) => !accounted[step]);

const passed = numPassedTests + hosts.passed;
const failed = numFailedTests + hosts.failed + steps.length + (passed === 0 && steps.length === 0 ? 1 : 0);
console.log(`${passed} passed, ${failed} failed${numPendingTests > 0 ? `, ${numPendingTests} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;
