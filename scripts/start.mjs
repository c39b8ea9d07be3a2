/**
 * Runs the built demo. A shell between npm and this process may end on a signal without handing it on (dash
 * does): the application then ends too, instead of staying behind with nobody to stop it.
 */
const shell = process.ppid;
const watch = setInterval(() => {
  if (process.ppid === shell) return;
  clearInterval(watch);
  process.kill(process.pid, 'SIGTERM');
}, 200);
watch.unref();

await import('../apps/demo/dist/main.js');
