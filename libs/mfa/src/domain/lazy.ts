/**
 * Returns a function that calls `load` once and caches its result. After a failure, the next call tries again. Use it for
 * modules that the start of the application does not need.
 */
export function lazy<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | null = null;
  return () => {
    loaded ??= load().catch((error: unknown) => {
      loaded = null;
      throw error;
    });
    return loaded;
  };
}
