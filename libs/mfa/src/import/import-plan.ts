import type { TotpParameters } from '../domain/authenticators/authenticator.js';
import type { MfaFernetKey } from '../domain/secrets/fernet.js';

/** The encoding of a decrypted secret. */
export const SECRET_ENCODINGS = ['base32', 'hex', 'base64', 'ascii'] as const;
export type MfaSecretEncoding = (typeof SECRET_ENCODINGS)[number];

export const AES_CIPHERS = ['aes-128-cbc', 'aes-192-cbc', 'aes-256-cbc', 'aes-128-gcm', 'aes-256-gcm'] as const;
export const KEY_ENCODINGS = ['utf8', 'hex', 'base64', 'sha256'] as const;
export const BYTE_ENCODINGS = ['hex', 'base64'] as const;
export const HASHED_OVER = ['XXXX-XXXX', 'XXXXXXXX'] as const;
export const WINDOW_UNITS = ['steps', 'seconds', 'milliseconds'] as const;

/** AES as `node:crypto` does it, with key and IV given directly. */
export interface MfaAesDecryption {
  cipher: (typeof AES_CIPHERS)[number];
  /** The key's bytes, or text that {@link MfaAesDecryption.keyEncoding} turns into them. */
  key: Uint8Array | string;
  /** `'sha256'` = the key is the SHA-256 of the text. @default 'utf8' */
  keyEncoding?: (typeof KEY_ENCODINGS)[number] | undefined;
  /**
   * The order of `iv`, `ciphertext` and, for GCM, `tag`, with their separator: `'iv:ciphertext'`, `'iv.tag.ciphertext'`.
   * `+` joins parts whose bytes have no separator.
   */
  layout: string;
  /** The encoding of each part. @default 'hex' */
  encoding?: (typeof BYTE_ENCODINGS)[number] | undefined;
  /** Bytes of the IV where parts are joined by `+`. @default 16 for CBC, 12 for GCM */
  ivBytes?: number | undefined;
}

/** How the stored value is decrypted to the text of the secret. */
export type MfaSecretDecryption =
  | { fernet: { keys: readonly MfaFernetKey[] } }
  | { aes: MfaAesDecryption }
  /** `U2FsdGVkX1…`: crypto-js with a passphrase, or `openssl enc -md md5` (AES-256-CBC, EVP_BytesToKey). */
  | { openssl: { passphrase: string } }
  /** Any other format: a function of the column's value, as the driver returns it. */
  | ((value: unknown) => string | Promise<string>);

/** The plan of an import: where another system stores its second factors, and in which format. */
export interface MfaImportPlan {
  /** The table or view with one row for each user who has a secret. */
  from: {
    table: string;
    columns: {
      /** The id by which your `MfaHost` knows the user. */
      userId: string;
      secret: string;
      /** Whether the user confirmed the secret by a first code: a boolean, or the time. */
      enabled?: string;
      createdAt?: string;
      lastUsedAt?: string;
    };
    /** In place of `columns.enabled`, when the old system stores no unconfirmed secret. */
    everySecretIsConfirmed?: boolean;
  };
  secret?: {
    /** @default 'base32' */
    encoding?: MfaSecretEncoding;
    /** Without it the column holds the secret itself. */
    decrypt?: MfaSecretDecryption;
  };
  /** The TOTP parameters of the other system. @default SHA1, 6 digits, 30 seconds */
  totp?: Partial<TotpParameters> | undefined;
  /** The name of imported authenticators. @default 'Authenticator app' */
  name?: string | undefined;
  /** Backup codes of the form `XXXX-XXXX` that are stored as Argon2id PHC strings, one row for each. */
  backupCodes?: {
    table: string;
    columns: {
      userId: string;
      hash: string;
      /** Whether the code is used: a boolean, or the time; `null` = not used. */
      usedAt: string;
    };
    /** Whether the hash was made over the code with its hyphen. @default 'XXXX-XXXX' */
    hashedOver?: (typeof HASHED_OVER)[number];
  };
  /** The codes that the other system accepted recently. None of them is accepted again. */
  usage?: {
    table: string;
    columns: { userId: string; window: string };
    /** The unit of `window`. `'steps'` = the number of the TOTP time step. @default 'steps' */
    unit?: (typeof WINDOW_UNITS)[number];
  };
}
