/**
 * Runs work with the same key one after another within this process. Without it, parallel requests of one user could use
 * up the attempt budget with open reservations. Correctness does not depend on it. Work that hangs blocks the next one
 * for at most `patienceMs`.
 */
export class KeyedMutex {
  private readonly tails = new Map<string, Promise<void>>();

  constructor(private readonly patienceMs = 3_000) {}

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(key);
    const turn = (before ? Promise.race([before, this.patience()]) : Promise.resolve()).then(work);
    const tail = turn.then(
      () => undefined,
      () => undefined,
    );
    this.tails.set(key, tail);
    try {
      return await turn;
    } finally {
      if (this.tails.get(key) === tail) this.tails.delete(key);
    }
  }

  private patience(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.patienceMs).unref());
  }
}
