import { TestRunner, test } from 'vitest';

/**
 * Makes a failing test of a file that cannot be loaded. Stryker looks at tests alone, and would otherwise take a
 * mutant that breaks an import for one that nothing noticed.
 */
export default class LoadFailuresAreTests extends TestRunner {
  override async importFile(path: string, source: 'collect' | 'setup'): Promise<void> {
    try {
      await super.importFile(path, source);
    } catch (error) {
      if (source === 'setup') throw error;
      test('can be loaded', () => {
        throw error;
      });
    }
  }
}
