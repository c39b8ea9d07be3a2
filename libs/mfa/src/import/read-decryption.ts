import { isUint8Array } from 'node:util/types';
import { isMfaError } from '../domain/mfa-error.js';
import { type FernetKeyPair, fernetKeyPair, openFernet } from '../domain/secrets/fernet.js';
import { unreadable } from '../domain/secrets/sealed-format.js';
import { keyBytes, openAes, parseLayout, readKey, type ResolvedAes, usualIvBytes } from './aes.js';
import { AES_CIPHERS, BYTE_ENCODINGS, KEY_ENCODINGS, type MfaAesDecryption } from './import-plan.js';
import { openOpenssl } from './openssl.js';
import { choice, fields, planError, type PlanValue, text, whole } from './plan-fields.js';

/** The text of the secret. Throws, whatever, for a value that it cannot decrypt. */
export type Decrypt = (value: unknown) => string | Promise<string>;

const KINDS = ['fernet', 'aes', 'openssl'] as const;

/** How the plan's `secret.decrypt` opens a value; left out, the value is the text itself. */
export function readDecryption({ value, path }: PlanValue): Decrypt {
  if (value === undefined) return textOf;
  if (typeof value === 'function') return value as Decrypt;
  const given = fields({ value, path }, KINDS);
  const [kind, ...more] = KINDS.filter((each) => given[each].value !== undefined);
  if (kind === undefined || more.length > 0) throw planError(path, `must be a function, or one of ${KINDS.join(', ')}`);
  const open = { fernet: readFernet, aes: readAes, openssl: readOpenssl }[kind](given[kind]);
  return (stored) => open(textOf(stored)).toString('utf8');
}

function readFernet(given: PlanValue): (value: string) => Buffer {
  const { keys } = fields(given, ['keys']);
  if (!Array.isArray(keys.value) || keys.value.length === 0) {
    throw planError(keys.path, 'must be a list of at least one { key } or { secretKey }');
  }
  const pairs = keys.value.map((key, index) => fernetKeyPair(key, `Import plan: \`${keys.path}[${index}]\``));
  return (value) => openWithAny(value.trim(), pairs);
}

/** A token names no key: each is tried, as Python's MultiFernet does. */
function openWithAny(token: string, pairs: readonly FernetKeyPair[]): Buffer {
  for (const [index, pair] of pairs.entries()) {
    try {
      return openFernet(token, pair);
    } catch (error) {
      if (!isMfaError(error) || index === pairs.length - 1) throw error;
    }
  }
  throw unreadable('there is no Fernet key');
}

function readAes(given: PlanValue): (value: string) => Buffer {
  const { cipher, key, keyEncoding, layout, encoding, ivBytes } = fields(given, [
    'cipher',
    'key',
    'keyEncoding',
    'layout',
    'encoding',
    'ivBytes',
  ]);
  const name = choice(cipher, AES_CIPHERS);
  const order = parseLayout(text(layout, "the order of the parts, as 'iv:ciphertext'"), name);
  if (!order) {
    const example = name.endsWith('gcm')
      ? "'iv:tag:ciphertext' or 'iv+ciphertext+tag'"
      : "'iv:ciphertext' or 'iv+ciphertext'";
    throw planError(layout.path, `must name each part of ${name} once, as ${example}`);
  }
  const usual = usualIvBytes(name);
  const aes: ResolvedAes = {
    cipher: name,
    key: readAesKey(key, choice(keyEncoding, KEY_ENCODINGS, 'utf8'), name),
    layout: order,
    encoding: choice(encoding, BYTE_ENCODINGS, 'hex'),
    ivBytes: whole(ivBytes, name.endsWith('cbc') ? [usual, usual] : [8, 32], usual),
  };
  return (value) => openAes(value, aes);
}

function readAesKey(
  { value, path }: PlanValue,
  keyEncoding: NonNullable<MfaAesDecryption['keyEncoding']>,
  cipher: MfaAesDecryption['cipher'],
): Buffer {
  if (!isUint8Array(value) && (typeof value !== 'string' || value === '')) {
    throw planError(path, 'must be bytes or text and is missing: is its environment variable set?');
  }
  const key = readKey({ cipher, key: value, keyEncoding, layout: '' });
  if (key.length === keyBytes(cipher)) return key;
  throw planError(path, `has ${key.length} bytes where ${cipher} needs ${keyBytes(cipher)}: check \`keyEncoding\``);
}

function readOpenssl(given: PlanValue): (value: string) => Buffer {
  const { passphrase } = fields(given, ['passphrase']);
  const secret = text(passphrase, 'the passphrase as text: is its environment variable set?');
  return (value) => openOpenssl(value, secret);
}

/** Python services keep tokens in columns of bytes as well as of text. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (isUint8Array(value)) return Buffer.from(value).toString('utf8');
  throw unreadable('the column holds neither text nor bytes');
}
