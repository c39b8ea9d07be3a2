import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { MfaRandom } from '../random.js';
import type { KeyRing } from './key-ring.js';
import { type SealContext, type SealedFormat, unreadable } from './sealed-format.js';

const VERSION = 'v1';
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
/** Full length only. Node also accepts shorter tags, which raise the chance of a forgery to 2⁻³² (NIST SP 800-38D §5.2.1.2). */
// S4
const TAG_BYTES = 16;

interface Parts {
  keyId: string;
  nonce: Buffer;
  ciphertext: Buffer;
  tag: Buffer;
}

/**
 * `v1.<key id>.<nonce>.<ciphertext>.<tag>` in base64url: AES-256-GCM with a random 96-bit nonce
 * and format, key, purpose, user and credential as associated data.
 */
// S5, S2
export class SealedV1 implements SealedFormat {
  constructor(
    private readonly ring: KeyRing,
    private readonly random: MfaRandom,
  ) {}

  recognises(sealed: string): boolean {
    return sealed.startsWith(`${VERSION}.`);
  }

  /** The id of the key that sealed the value, in the ring or not. `null` = the value is not a valid v1 value. */
  keyIdOf(sealed: string): string | null {
    return parse(sealed)?.keyId ?? null;
  }

  /** Seals with the newest key. */
  seal(plaintext: Uint8Array, context: SealContext): string {
    const { id, sealKey } = this.ring.newest;
    const nonce = this.random.bytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, sealKey, nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(associatedData(id, context));
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    const encoded = [nonce, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'));
    return [VERSION, id, ...encoded].join('.');
  }

  open(sealed: string, context: SealContext): Buffer {
    const parts = parse(sealed);
    if (parts === null) throw unreadable('it is damaged');
    const key = this.ring.byId(parts.keyId);
    // Never tries another key (S63).
    if (key === null) throw unreadable(`its key id "${parts.keyId}" is not in the option keys`);

    // `parse` has refused every other tag length; the option is a second check.
    const decipher = createDecipheriv(CIPHER, key.sealKey, parts.nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(parts.keyId, context));
    decipher.setAuthTag(parts.tag);
    try {
      return Buffer.concat([decipher.update(parts.ciphertext), decipher.final()]);
    } catch (cause) {
      throw unreadable(
        'it was altered, moved from another row, or sealed with another secret of the same key id',
        cause,
      );
    }
  }
}

/** The associated data as JSON. With plain concatenation, different fields could have the same text. */
function associatedData(keyId: string, { purpose, userId, credentialId }: SealContext): Buffer {
  return Buffer.from(JSON.stringify([VERSION, keyId, purpose, userId, credentialId]));
}

function parse(sealed: string): Parts | null {
  // For the compiler: a text that begins with `v1.` has a second part.
  const [version, keyId = '', ...encoded] = sealed.split('.');
  const [nonce, ciphertext, tag] = encoded.map(decode);
  if (version !== VERSION || encoded.length !== 3 || !/^[A-Za-z0-9_-]{1,32}$/.test(keyId)) return null;
  if (!nonce || !ciphertext || !tag) return null;
  if (nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES) return null;
  return { keyId, nonce, ciphertext, tag };
}

/** Decodes base64url. Returns `null` if the encoding is not canonical (RFC 4648 §3.5); Node's decoder ignores invalid characters. */
function decode(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : null;
}
