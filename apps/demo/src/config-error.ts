/** A setting that the demo cannot start with; the message names it and the remedy, never its value. */
export class ConfigError extends Error {
  constructor(
    readonly setting: string,
    remedy: string,
  ) {
    super(`${setting} ${remedy}`);
    this.name = 'ConfigError';
  }
}
