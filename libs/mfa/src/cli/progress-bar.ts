import type { Terminal } from './terminal.js';

const WIDTH = 30;

/** Draws how far a pass is: one line drawn over on a terminal, a line for each tenth elsewhere, as in a log. */
export function progressBar({ err, interactive }: Terminal, label: string): (done: number, total: number) => void {
  let tenth = -1;
  return (done, total) => {
    const share = total === 0 ? 1 : done / total;
    const counted = `${label} ${Math.floor(share * 100)} % (${done} of ${total} rows)`;
    if (interactive) {
      const filled = Math.round(share * WIDTH);
      err(`\r[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}] ${counted}${done === total ? '\n' : ''}`);
    } else if (Math.floor(share * 10) !== tenth) {
      tenth = Math.floor(share * 10);
      err(`${counted}\n`);
    }
  };
}
