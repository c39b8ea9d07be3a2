import { availableParallelism } from 'node:os';
import { MfaError } from '../mfa-error.js';

/** A cautious estimate for one Argon2id hash of a backup code on a busy core. Only `Retry-After` depends on it. */
// TODO
const ASSUMED_HASH_MS = 50;

/** libuv's own default for the thread pool that file reads, DNS and Argon2 share. */
const DEFAULT_POOL_SIZE = 4;

export interface HashQueueLimits {
  /** Pieces of work that run at once; at least 1. */
  concurrency: number;
  /** Pieces of work that wait for their turn, beyond those; at least 0. */
  maxWaiting: number;
}

/**
 * Bounds how much hashing runs and waits in this process, so that a burst of guesses cannot starve
 * everything else. First come, first served.
 */
// S58
export class HashQueue {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** Throws `MFA_MISCONFIGURED` for limits that would let nothing run. */
  constructor(private readonly limits: HashQueueLimits) {
    const { concurrency, maxWaiting } = limits;
    if (!Number.isSafeInteger(concurrency) || concurrency < 1 || !Number.isSafeInteger(maxWaiting) || maxWaiting < 0) {
      const message = 'concurrency must be a whole number of at least 1, and maxWaiting one of at least 0';
      throw new MfaError('MFA_MISCONFIGURED', { message });
    }
  }

  /** The result of `work`, once it had its turn. Throws `MFA_BUSY` at once when too many wait already; `work` is not called then. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.enter();
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  private enter(): Promise<void> | void {
    const { concurrency, maxWaiting } = this.limits;
    if (this.running < concurrency) {
      this.running++;
      return;
    }
    if (this.waiting.length >= maxWaiting) throw this.busy();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Hands the place on without freeing it in between, so that a newcomer cannot overtake those who wait. */
  private leave(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.running--;
  }

  private busy(): MfaError {
    const drainMs = ((this.waiting.length + 1) * ASSUMED_HASH_MS) / this.limits.concurrency;
    return new MfaError('MFA_BUSY', { retryAfterSeconds: Math.max(1, Math.ceil(drainMs / 1000)) });
  }
}

/**
 * All cores but one, and all pool threads but one: whichever is fewer, at least 1. On a machine of
 * many cores the pool's four threads are what hashing would otherwise take from file reads and DNS.
 */
export function defaultHashConcurrency(cores = availableParallelism(), poolSize = threadPoolSize()): number {
  return Math.max(1, Math.min(cores, poolSize) - 1);
}

function threadPoolSize(): number {
  const configured = Number(process.env.UV_THREADPOOL_SIZE);
  return Number.isSafeInteger(configured) && configured > 0 ? configured : DEFAULT_POOL_SIZE;
}

/** The one queue of this process: several modules, or several test applications, share its bound. */
// S58
export const processHashQueue = new HashQueue({ concurrency: defaultHashConcurrency(), maxWaiting: 32 });
