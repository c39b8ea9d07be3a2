/** A bar on the terminal; lines where there is none. */

export class Progress {
  #done = 0;
  #shown = '';

  constructor(total, stream = process.stderr) {
    this.total = total;
    this.stream = stream;
  }

  /** What is done now. */
  say(text) {
    if (!this.stream.isTTY) this.stream.write(`${text}\n`);
    else this.#draw(text);
  }

  /** One of `total` steps begins. */
  step(text) {
    this.#done++;
    if (this.stream.isTTY) this.#draw(text);
  }

  end() {
    if (this.stream.isTTY) this.stream.write('\r\x1b[K');
  }

  #draw(text) {
    const share = Math.min(1, this.#done / this.total);
    const full = Math.round(share * 30);
    const bar = `${'█'.repeat(full)}${'░'.repeat(30 - full)} ${String(Math.round(share * 100)).padStart(3)} %`;
    const width = (this.stream.columns ?? 80) - bar.length - 4;
    this.#shown = `\r\x1b[K${bar}  ${text.slice(0, width)}`;
    this.stream.write(this.#shown);
  }
}
