import { AsyncLocalStorage } from 'node:async_hooks';
import { expect } from 'vitest';
import { methodsOf, STORES } from './after-commit.js';
import type { DatabaseKind } from './databases.js';
import type { HostApp } from './host-app.js';

type Store = Record<string, (...args: unknown[]) => unknown>;
type Act = () => PromiseLike<unknown>;

/** A race of two: what loses time, and what comes in between. */
export interface Race {
  act: Act;
  meanwhile: Act;
  /** Looks at the outcome. */
  after: () => PromiseLike<unknown>;
}

/** The statements before which something comes in between. */
export interface Points {
  first: number;
  step: number;
}

/** Every statement on SQLite, and every fifth one on a server. Tests of one flow give different numbers. */
export const pointsOn = (database: DatabaseKind, test: number): Points =>
  database === 'sqlite' ? { first: 0, step: 1 } : { first: test % 5, step: 5 };

/** Lets one request come between any two statements of another. */
export class BetweenStatements {
  private readonly inside = new AsyncLocalStorage<Store>();
  private left = Infinity;
  private meanwhile: Act = () => Promise.resolve();

  constructor({ app }: Pick<HostApp, 'app'>) {
    for (const token of STORES) {
      const store = app.get<Store>(token as never, { strict: false });
      const names = methodsOf(store).filter((name) => isAsync(store[name]));
      for (const name of names) {
        const real = store[name]!.bind(store);
        store[name] = async (...args) => {
          // A method that the same store calls is a part of the first one.
          if (this.inside.getStore() === store) return real(...args);
          await this.pass();
          return this.inside.run(store, () => real(...args));
        };
      }
    }
  }

  /**
   * Runs `meanwhile` before the first statement of `act`, then, in a race of its own, before the second one, and so on to
   * the last one.
   * @param prepare a new race
   * @param points which statements. @default all
   */
  async each(prepare: (at: number) => Promise<Race>, { first, step }: Points = { first: 0, step: 1 }): Promise<void> {
    for (let at = first; ; at += step) {
      const { act, meanwhile, after } = await prepare(at);
      let met = false;
      this.left = at;
      this.meanwhile = async () => {
        met = true;
        await meanwhile();
      };
      await act();
      this.left = Infinity;
      if (!met) {
        expect(at, 'the statements of the request').toBeGreaterThan(1);
        return;
      }
      await after();
    }
  }

  private async pass(): Promise<void> {
    this.left -= 1;
    if (this.left >= 0 || this.left === Infinity) return;
    // What comes in between is not interrupted itself.
    this.left = Infinity;
    await this.meanwhile();
  }
}

const isAsync = (method: unknown) => typeof method === 'function' && method.constructor.name === 'AsyncFunction';
