/** Ctrl-C leaves nothing behind: no server, no cluster, no folder. */
export function whenInterrupted(cleanUp) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      cleanUp().finally(() => process.exit(130));
    });
  }
}
