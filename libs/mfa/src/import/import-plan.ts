import type { TotpParameters } from '../domain/authenticators/authenticator.js';
import type { MfaFernetKey } from '../domain/secrets/fernet.js';

/** How the text of a secret stands for its bytes, once it is decrypted. */
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
   * Where `iv`, `ciphertext` and, for GCM, the `tag` stand: `'iv:ciphertext'`, `'iv.tag.ciphertext'`, or joined by
   * `+` where their bytes follow each other without a separator.
   */
  layout: string;
  /** Of each part. @default 'hex' */
  encoding?: (typeof BYTE_ENCODINGS)[number] | undefined;
  /** Bytes of the IV where parts are joined by `+`. @default 16 for CBC, 12 for GCM */
  ivBytes?: number | undefined;
}

/** What turns the stored value into the text of the secret. */
export type MfaSecretDecryption =
  | { fernet: { keys: readonly MfaFernetKey[] } }
  | { aes: MfaAesDecryption }
  /** `U2FsdGVkX1…` as crypto-js and `openssl enc -md md5` make it of a passphrase (AES-256-CBC, EVP_BytesToKey). */
  | { openssl: { passphrase: string } }
  /** The way out for anything else: is given the column's value as the driver answers it. */
  | ((value: unknown) => string | Promise<string>);

/** What `nestjs-mfa import` is told: where another system keeps its second factors, and how. */
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
    /** In place of `columns.enabled`, where a secret is stored only once it is confirmed. */
    everySecretIsConfirmed?: boolean;
  };
  secret?: {
    /** @default 'base32' */
    encoding?: MfaSecretEncoding;
    /** Left out = the column holds the secret itself. */
    decrypt?: MfaSecretDecryption;
  };
  /** How the other system made codes. @default SHA1, 6 digits, 30 seconds */
  totp?: Partial<TotpParameters> | undefined;
  /** What the imported authenticators are called. @default 'Authenticator app' */
  name?: string | undefined;
  /** Its backup codes, where they are Argon2id PHC strings of codes `XXXX-XXXX`, in a table with a row for each. */
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
  /** The codes that it accepted lately, so that none of them is accepted again. */
  usage?: {
    table: string;
    columns: { userId: string; window: string };
    /** What the window is counted in: `'steps'` is the number of the time step. @default 'steps' */
    unit?: (typeof WINDOW_UNITS)[number];
  };
}
