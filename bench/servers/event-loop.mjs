/** How long the event loop of this process stands still. */

/** Watches until `end()`, which answers the longest stall in milliseconds. */
export function watchEventLoop(intervalMs = 5) {
  let longest = 0;
  let last = performance.now();
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last - intervalMs);
    last = now;
  };
  const timer = setInterval(look, intervalMs);
  return {
    end() {
      look();
      clearInterval(timer);
      return longest;
    },
  };
}
