/** Ctrl-C, a failure anywhere, or a signal leave nothing behind: no server, no cluster, no database, no folder. */
const leftovers = new Set();

/** Whatever `remove` removes is removed even if the run is interrupted. Answers `remove`, which may be called earlier. */
export function removeInTheEnd(remove) {
  const once = async () => {
    if (leftovers.delete(once)) await remove();
  };
  leftovers.add(once);
  return once;
}

/** Runs `cleanUp` and removes what is left when the process is told to end or fails. */
export function whenInterrupted(cleanUp) {
  let ending = false;
  const end = (code, error) => {
    if (ending) return; // what fails now fails because of the ending
    ending = true;
    if (error) console.error(error);
    cleanUp()
      .then(() => Promise.all([...leftovers].map((remove) => remove())))
      .catch(console.error)
      .finally(() => process.exit(code));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(130));
  process.on('uncaughtException', (error) => end(1, error)); // rejections that nobody awaits, too
}
