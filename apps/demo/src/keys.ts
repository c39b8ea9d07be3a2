import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from './config-error.js';

/** A key of the library's key ring: `secret` is 32 random bytes in base64. */
export interface DemoKey {
  id: string;
  secret: string;
}

const KEY_BYTES = 32;
const KEY = /^([A-Za-z0-9._-]{1,64}):([A-Za-z0-9+/_-]{43}=?)$/;
const SHAPE =
  'must be id:base64(32 bytes), several separated by commas; make one with: echo "k1:$(head -c 32 /dev/urandom | base64)"';

/** Keys from `id:base64[,id:base64…]`. `setting` is what an error calls them. */
export function parseKeys(text: string, setting: string): DemoKey[] {
  const keys = text.split(',').map((entry) => parseKey(entry.trim(), setting));
  const repeated = keys.find(({ id }, index) => keys.findIndex((other) => other.id === id) !== index);
  if (repeated)
    throw new ConfigError(setting, `holds the key id "${repeated.id}" twice; give every key an id of its own`);
  return keys;
}

function parseKey(entry: string, setting: string): DemoKey {
  const [, id, secret] = KEY.exec(entry) ?? [];
  if (id === undefined || secret === undefined || Buffer.from(secret, 'base64').length !== KEY_BYTES) {
    throw new ConfigError(setting, SHAPE);
  }
  return { id, secret };
}

/**
 * The keys kept in `file`, made on the first start. A lost key loses every enrollment, so an
 * unreadable file is an error and never a reason for new keys.
 */
export function keepKeys(file: string): DemoKey[] {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    makeOnce(file);
    return parseKeys(readFileSync(file, 'utf8').trim(), file);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(
      'DATA_DIR',
      `is not a folder that can be written to (${code}); name another one, or give MFA_KEYS`,
    );
  }
}

/** `wx` lets one of two processes that start together write, and the other one read. */
function makeOnce(file: string): void {
  try {
    writeFileSync(file, `k1:${randomBytes(KEY_BYTES).toString('base64')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
