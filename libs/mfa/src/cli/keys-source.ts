import { SystemClock } from '../domain/clock.js';
import { SystemRandom } from '../domain/random.js';
import { FernetFormat } from '../domain/secrets/fernet-format.js';
import { KeyRing, type MfaKey } from '../domain/secrets/key-ring.js';
import { SecretBox } from '../domain/secrets/secret-box.js';
import type { MfaFernetOptions } from '../options/mfa-options.js';
import { resolveFernet } from '../options/resolve-options.js';
import { importFile } from './module-file.js';
import { type Terminal, UsageError } from './terminal.js';

/** The application's keys, and a box that works with them. */
export interface Keys {
  ring: KeyRing;
  box: SecretBox;
}

interface KeySettings {
  keys: readonly MfaKey[];
  fernet?: MfaFernetOptions;
}

/**
 * The keys of `--keys <file>`, else of the environment variable `MFA_KEYS`.
 * @throws UsageError; MfaError `MFA_MISCONFIGURED` for keys that the application would refuse too
 */
export async function readKeys(path: string | undefined, terminal: Terminal): Promise<Keys> {
  const { keys, fernet } = path === undefined ? fromEnvironment(terminal) : await fromFile(path, terminal);
  const ring = new KeyRing(keys);
  const reading = resolveFernet(fernet);
  const formats = reading ? [new FernetFormat(reading, new SystemClock())] : [];
  return { ring, box: new SecretBox(ring, new SystemRandom(), formats) };
}

async function fromFile(path: string, terminal: Terminal): Promise<KeySettings> {
  const exported = await importFile(path, '--keys', terminal);
  const candidates = [exported, exported.default] as (Partial<KeySettings> | undefined)[];
  const settings = candidates.find((each) => Array.isArray(each?.keys));
  if (settings) return settings as KeySettings;
  throw new UsageError(
    `--keys: ${path} must export \`keys\` (and, where used, \`fernet\`) as they are given to forRoot`,
  );
}

function fromEnvironment({ env }: Terminal): KeySettings {
  const text = env.MFA_KEYS;
  if (!text) {
    throw new UsageError(
      'No keys: give --keys <file>, a module that exports `keys` as they are given to forRoot, or set MFA_KEYS to ' +
        'id:secret[,id:secret…], the newest first',
    );
  }
  const keys = text.split(',').map((entry) => {
    const [id = '', ...secret] = entry.trim().split(':');
    return { id, secret: secret.join(':') };
  });
  return { keys };
}
