import { availableParallelism } from 'node:os';
import { MfaError } from '../mfa-error.js';

/** A cautious estimate for one Argon2id hash of a backup code on a busy core. Only `Retry-After` depends on it. */
const ASSUMED_HASH_MS = 50;

/** libuv's default size of the thread pool that file reads, DNS and Argon2 share. */
const DEFAULT_POOL_SIZE = 4;

export interface HashQueueLimits {
  /** Number of hashes that run at once, at least 1. */
  concurrency: number;
  /** Number of further hashes that may wait, at least 0. */
  maxWaiting: number;
}

/**
 * Limits how many hashes run and wait in this process, so that a burst of attempts cannot block other work. First in,
 * first out.
 */
// S58
export class HashQueue {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** @throws MfaError `MFA_MISCONFIGURED` for limits out of range */
  constructor(private readonly limits: HashQueueLimits) {
    const { concurrency, maxWaiting } = limits;
    if (!Number.isSafeInteger(concurrency) || concurrency < 1 || !Number.isSafeInteger(maxWaiting) || maxWaiting < 0) {
      const message = 'concurrency must be a whole number of at least 1, and maxWaiting one of at least 0';
      throw new MfaError('MFA_MISCONFIGURED', { message });
    }
  }

  /**
   * Runs `work` when it is its turn, and returns its result.
   * @throws MfaError `MFA_BUSY` at once, without calling `work`, if the queue is full
   */
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

  /** Passes the place to the next one in the queue without freeing it, so that a new caller cannot overtake. */
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
 * The smaller of all cores but one and all pool threads but one, at least 1. One thread stays free for file reads and
 * DNS.
 */
export function defaultHashConcurrency(cores = availableParallelism(), poolSize = threadPoolSize()): number {
  return Math.max(1, Math.min(cores, poolSize) - 1);
}

function threadPoolSize(): number {
  const configured = Number(process.env.UV_THREADPOOL_SIZE);
  return Number.isSafeInteger(configured) && configured > 0 ? configured : DEFAULT_POOL_SIZE;
}

/** The queue of this process. Several modules, or several applications in a test, share it. */
// S58
export const processHashQueue = new HashQueue({ concurrency: defaultHashConcurrency(), maxWaiting: 32 });
